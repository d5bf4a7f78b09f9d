"""Interface between the broker and the application: accounts, rights and durable storage.

Everything that must survive a restart reaches the application as a `Batch`, in the order in which
it was received. The broker acknowledges the content of a batch when `Backend.commit` has returned.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

# MQTT 5 properties as (identifier, value) pairs in the order in which they were received.
PropertyList = tuple[tuple[int, Any], ...]


class CommitError(Exception):
    """Nothing of the batch is stored; the broker passes the same batch again after a pause."""


class LoginLimitError(Exception):
    """Too many wrong passwords came from an address; the text says when the next try counts."""


@dataclass(frozen=True, slots=True)
class Account:
    """A verified identity. `name` is empty for an anonymous client of a loopback listener.

    `limited` applies the per-account limits (`Limits.account_*`) to its connections, sessions and
    retained messages. `role` and `version` are the application's: what the account may do, and
    which of its passwords was verified.
    """

    name: str
    limited: bool = True
    role: str = field(default="", compare=False)
    version: str = field(default="", compare=False)


@dataclass(slots=True)
class Message:
    """An application message that the broker has accepted from a client.

    `time_ns` is the time of arrival as Unix time; it is different for every message and increases
    in the order of arrival. `expires_ns` is 0 for a message that does not expire.
    `account` and `client_id` are those of the publisher; both are empty for a message that the
    application published itself.
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: PropertyList = ()
    account: str = ""
    client_id: str = ""
    time_ns: int = 0
    expires_ns: int = 0


@dataclass(slots=True)
class Subscription:
    """A subscription and its MQTT 5 options (MQTT 5, 3.8.3.1); `identifier` 0 is none."""

    topic_filter: str
    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0
    identifier: int = 0


@dataclass(slots=True)
class SessionSaved:
    """A persistent session was created or changed.

    `expires_ns` is the Unix time at which it ends, or None while its client is connected.
    """

    client_id: str
    account: str
    expiry_s: int
    expires_ns: int | None


@dataclass(slots=True)
class SessionRemoved:
    """A session ended: everything saved for the client id goes, except its will."""

    client_id: str


@dataclass(slots=True)
class SubscriptionSaved:
    """A persistent session subscribed, or changed a subscription."""

    client_id: str
    subscription: Subscription


@dataclass(slots=True)
class SubscriptionRemoved:
    """A persistent session unsubscribed."""

    client_id: str
    topic_filter: str


@dataclass(slots=True)
class MessageQueued:
    """A message at QoS 1 or 2 waits for delivery in a persistent session.

    `qos` and `retain` are those of the delivery; `message` has those of the publisher.
    """

    client_id: str
    packet_id: int
    message: Message
    qos: int
    retain: bool
    identifiers: tuple[int, ...] = ()


@dataclass(slots=True)
class MessageReleased:
    """The client has received a QoS 2 message (PUBREC); only PUBREL is still to be completed."""

    client_id: str
    packet_id: int


@dataclass(slots=True)
class MessageDequeued:
    """Delivery is complete, or the message has expired."""

    client_id: str
    packet_id: int


@dataclass(slots=True)
class PacketIdReceived:
    """A QoS 2 message with this packet id was accepted; a copy of it must be ignored."""

    client_id: str
    packet_id: int


@dataclass(slots=True)
class PacketIdReleased:
    """The publisher has released a QoS 2 packet id (PUBREL)."""

    client_id: str
    packet_id: int


@dataclass(slots=True)
class RetainedSaved:
    """`message` is the retained message of its topic."""

    message: Message


@dataclass(slots=True)
class RetainedRemoved:
    """The topic has no retained message any more."""

    topic: str


@dataclass(slots=True)
class WillSaved:
    """A connected client has a will; it is published at the next start if the broker is killed."""

    client_id: str
    message: Message


@dataclass(slots=True)
class WillRemoved:
    """The will was published or discarded."""

    client_id: str


Change = (
    SessionSaved
    | SessionRemoved
    | SubscriptionSaved
    | SubscriptionRemoved
    | MessageQueued
    | MessageReleased
    | MessageDequeued
    | PacketIdReceived
    | PacketIdReleased
    | RetainedSaved
    | RetainedRemoved
    | WillSaved
    | WillRemoved
)


@dataclass(slots=True)
class Batch:
    """What has to become durable together.

    `messages` are all accepted messages at any QoS, wills included, in order of arrival.
    `changes` are changes of the broker's own state, in order.
    """

    messages: list[Message] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


@dataclass(slots=True)
class SavedSession:
    """A persistent session as it was committed."""

    client_id: str
    account: str
    expiry_s: int
    expires_ns: int | None
    subscriptions: list[Subscription] = field(default_factory=list)
    # In the order in which they were queued; released ones have no payload any more.
    queue: list[MessageQueued] = field(default_factory=list)
    released: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)


@dataclass(slots=True)
class SavedState:
    """What the broker knew when it ended. `wills` are (client id, will) of connected clients."""

    sessions: list[SavedSession] = field(default_factory=list)
    retained: list[Message] = field(default_factory=list)
    wills: list[tuple[str, Message]] = field(default_factory=list)


class Storage(Protocol):
    """The durable half of a backend."""

    def load(self) -> SavedState:
        """Return what was committed; called once, before the broker listens."""
        ...

    async def commit(self, batch: Batch) -> None:
        """Return when `batch` is durable as a whole. Must not block the event loop.

        There is one call at a time. Raises CommitError, with nothing of the batch stored, when
        it cannot be stored now; it is then passed again. A message with a payload that the
        application refuses is no reason to fail: it counts as stored.
        """
        ...


class Backend(Storage, Protocol):
    """What the broker needs to know from the application."""

    def authenticate(
        self, username: str | None, password: bytes | None, address: str
    ) -> Account | None:
        """Return the account whose password was verified, or None to refuse the client.

        Raises LoginLimitError, with nothing verified, when `address` has to wait.
        """
        ...

    def accounts_changed(self) -> bool:
        """Return whether accounts may have changed since the last call; asked several times a
        second.
        """
        ...

    def is_current(self, account: Account) -> bool:
        """Return whether a client that was verified as `account` may stay connected."""
        ...

    def has_account(self, name: str) -> bool:
        """Return whether an account still exists: what belongs to one that does not is ended."""
        ...

    def may_use_client_id(self, account: Account, client_id: str) -> bool:
        """Return whether `account` may connect with `client_id`."""
        ...

    def may_publish(self, account: Account, topic: str) -> bool:
        """Return whether `account` may publish to `topic`."""
        ...

    def may_publish_will(self, account: Account, topic: str) -> bool:
        """Return whether the will of `account`, which may be gone meanwhile, may be published.

        Of a will that was saved before a restart only the name of the account is known.
        """
        ...

    def may_subscribe(self, account: Account, topic_filter: str) -> bool:
        """Return whether `account` may subscribe to `topic_filter` (without `$share/<group>/`)."""
        ...
