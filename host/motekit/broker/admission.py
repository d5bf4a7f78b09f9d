"""Decides about a CONNECT: nothing of any session is touched before the client is verified."""

import secrets
from dataclasses import dataclass

from motekit.broker import reason_codes, topics
from motekit.broker.backend import Account, LoginLimitError
from motekit.broker.packets import V311, Connect
from motekit.broker.session import Session
from motekit.broker.state import BrokerState


@dataclass(slots=True)
class Refusal:
    """Why a client is not let in; `text` is for the log."""

    reason: int
    text: str


@dataclass(slots=True)
class Admission:
    """A verified client with its session."""

    account: Account
    session: Session
    session_present: bool
    has_assigned_id: bool
    expiry_s: int


def admit(state: BrokerState, connect: Connect, address: str) -> Admission | Refusal:
    """Verify a client and give it its session, with earlier connections of it ended."""
    account = verify(state, connect, address)
    if isinstance(account, Refusal):
        return account
    client_id, assigned = connect.client_id, not connect.client_id
    if assigned:
        client_id = f"auto-{secrets.token_hex(16)}"
    known = state.sessions.get(client_id)
    if known and known.account != account.name:
        # The client id that is an account's name belongs to that account.
        if not account.name or client_id != account.name:
            return Refusal(
                reason_codes.CLIENT_IDENTIFIER_NOT_VALID,
                "the client id is in use by another account",
            )
        _end(state, known)
        known = None
    if refusal := _check_limits(state, account, known):
        return refusal
    if known and known.connection:
        state.taken_over(client_id)
        known.connection.end(reason_codes.SESSION_TAKEN_OVER)
        # One that does not outlive its connection has ended with it.
        known = state.sessions.get(client_id)
    if known and (connect.clean_start or not _may_keep(state, account, known)):
        state.end_session(known)
        known = None
    expiry_s = min(connect.expiry_s, state.limits.session_expiry_s)
    session = known or state.new_session(client_id, account.name, expiry_s)
    return Admission(account, session, known is not None, assigned, expiry_s)


def verify(state: BrokerState, connect: Connect, address: str) -> Account | Refusal:
    """Return the account of a client that may connect as it asks to. Changes nothing."""
    if connect.authentication_method is not None:
        return Refusal(
            reason_codes.BAD_AUTHENTICATION_METHOD, "extended authentication is not supported"
        )
    try:
        account = state.backend.authenticate(connect.username, connect.password, address)
    except LoginLimitError as error:
        return Refusal(reason_codes.SERVER_BUSY, str(error))
    if account is None:
        if connect.username is None:
            return Refusal(reason_codes.NOT_AUTHORIZED, "a login is required")
        return Refusal(reason_codes.BAD_USER_NAME_OR_PASSWORD, "wrong user name or password")
    client_id = connect.client_id
    if client_id:
        too_long = len(client_id.encode()) > state.limits.client_id_bytes
        if too_long or not state.backend.may_use_client_id(account, client_id):
            return Refusal(
                reason_codes.CLIENT_IDENTIFIER_NOT_VALID,
                "this account may not use this client id",
            )
    elif connect.version == V311 and not connect.clean_start:
        # MQTT 3.1.1, 3.1.3-8.
        return Refusal(reason_codes.CLIENT_IDENTIFIER_NOT_VALID, "a kept session needs a client id")
    return _check_will(state, account, connect) or account


def _check_will(state: BrokerState, account: Account, connect: Connect) -> Refusal | None:
    will = connect.will
    if will is None:
        return None
    if not topics.is_valid_name(will.topic, state.limits):
        return Refusal(reason_codes.TOPIC_NAME_INVALID, "the topic of the will is not valid")
    if not state.backend.may_publish(account, will.topic):
        return Refusal(
            reason_codes.NOT_AUTHORIZED, "this account may not publish to the topic of its will"
        )
    if will.retain and will.payload and not state.may_retain(will, account.limited):
        return Refusal(reason_codes.QUOTA_EXCEEDED, "too many retained messages")
    return None


def _check_limits(state: BrokerState, account: Account, known: Session | None) -> Refusal | None:
    limits = state.limits
    new_session = known is None
    new_connection = known is None or known.connection is None
    if new_session and len(state.sessions) >= limits.sessions + limits.connections:
        return Refusal(reason_codes.QUOTA_EXCEEDED, "the broker has too many sessions")
    if not account.limited:
        return None
    if new_connection and state.connections_of(account.name) >= limits.account_connections:
        return Refusal(reason_codes.QUOTA_EXCEEDED, "this account has too many connections")
    if new_session and state.sessions_of(account.name) >= limits.account_sessions:
        return Refusal(reason_codes.QUOTA_EXCEEDED, "this account has too many sessions")
    return None


def _may_keep(state: BrokerState, account: Account, known: Session) -> bool:
    """Return whether `account`, which may have fewer rights now, still has those of its session."""
    return all(
        state.backend.may_subscribe(account, (topics.split_shared(one) or ("", one))[1])
        for one in known.subscriptions
    )


def _end(state: BrokerState, session: Session) -> None:
    """End the session that another account has under this client id."""
    if session.connection:
        session.connection.end(reason_codes.SESSION_TAKEN_OVER)
    if not session.ended:
        state.end_session(session)
