"""Tables of the broker's state: sessions, their queues, retained messages and wills.

The functions run inside the transaction of their caller.
"""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from mote import contract

from motekit.broker import backend, properties
from motekit.broker.backend import Change, Message, SavedSession, SavedState, Subscription

# Of the tables that hold a message, behind its topic.
_MESSAGE_COLUMNS = """payload BLOB NOT NULL,
    qos INTEGER NOT NULL,
    retain INTEGER NOT NULL,
    properties BLOB NOT NULL,
    account TEXT NOT NULL,
    publisher TEXT NOT NULL,
    time_ns INTEGER NOT NULL,
    expires_ns INTEGER NOT NULL"""
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS mqtt_session (
    client_id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    expiry_s INTEGER NOT NULL,
    expires_ns INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mqtt_subscription (
    client_id TEXT NOT NULL,
    topic_filter TEXT NOT NULL,
    qos INTEGER NOT NULL,
    no_local INTEGER NOT NULL,
    retain_as_published INTEGER NOT NULL,
    retain_handling INTEGER NOT NULL,
    identifier INTEGER NOT NULL,
    PRIMARY KEY (client_id, topic_filter)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mqtt_queue (
    position INTEGER PRIMARY KEY,
    client_id TEXT NOT NULL,
    packet_id INTEGER NOT NULL,
    released INTEGER NOT NULL DEFAULT 0,
    delivery_qos INTEGER NOT NULL,
    delivery_retain INTEGER NOT NULL,
    identifiers TEXT NOT NULL,
    topic TEXT NOT NULL,
    {_MESSAGE_COLUMNS},
    UNIQUE (client_id, packet_id)
);
CREATE TABLE IF NOT EXISTS mqtt_received (
    client_id TEXT NOT NULL,
    packet_id INTEGER NOT NULL,
    PRIMARY KEY (client_id, packet_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mqtt_retained (
    topic TEXT PRIMARY KEY,
    {_MESSAGE_COLUMNS}
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mqtt_will (
    client_id TEXT PRIMARY KEY,
    topic TEXT NOT NULL,
    {_MESSAGE_COLUMNS}
) WITHOUT ROWID;
"""

_MESSAGE = "topic, payload, qos, retain, properties, account, publisher, time_ns, expires_ns"
_TABLES_OF_A_SESSION = ("mqtt_session", "mqtt_subscription", "mqtt_queue", "mqtt_received")


def load(db: sqlite3.Connection) -> SavedState:
    """Return everything that was applied."""
    sessions = {
        row[0]: SavedSession(*row)
        for row in db.execute("SELECT client_id, account, expiry_s, expires_ns FROM mqtt_session")
    }
    for client_id, *row in db.execute(
        "SELECT client_id, topic_filter, qos, no_local, retain_as_published, retain_handling, "
        "identifier FROM mqtt_subscription"
    ):
        topic_filter, qos, no_local, as_published, handling, identifier = row
        if client_id in sessions:
            sessions[client_id].subscriptions.append(
                Subscription(
                    topic_filter, qos, bool(no_local), bool(as_published), handling, identifier
                )
            )
    for client_id, packet_id, released, qos, retain, identifiers, *message in db.execute(
        "SELECT client_id, packet_id, released, delivery_qos, delivery_retain, identifiers, "
        f"{_MESSAGE} FROM mqtt_queue ORDER BY position"
    ):
        if client_id not in sessions:
            continue
        if released:
            sessions[client_id].released.append(packet_id)
            continue
        sessions[client_id].queue.append(
            backend.MessageQueued(
                client_id,
                packet_id,
                _message(message),
                qos,
                bool(retain),
                tuple(int(number) for number in identifiers.split()),
            )
        )
    for client_id, packet_id in db.execute("SELECT client_id, packet_id FROM mqtt_received"):
        if client_id in sessions:
            sessions[client_id].received.append(packet_id)
    retained = [_message(row) for row in db.execute(f"SELECT {_MESSAGE} FROM mqtt_retained")]
    wills = [
        (row[0], _message(row[1:]))
        for row in db.execute(f"SELECT client_id, {_MESSAGE} FROM mqtt_will")
    ]
    return SavedState(list(sessions.values()), retained, wills)


def apply(db: sqlite3.Connection, changes: Iterable[Change]) -> None:
    """Write changes in their order."""
    for change in changes:
        _APPLY[type(change)](db, change)


def seed_retained(db: sqlite3.Connection) -> None:
    """Keep status and info of the table `device` as retained messages.

    For a store of version 1, which had no table of them. Nobody is connected to a new broker.
    """
    rows = db.execute("SELECT id, changed_ns, info FROM device").fetchall()
    for device, changed_ns, info in rows:
        known = (("status", contract.OFFLINE, changed_ns), ("info", info, info != "{}"))
        for leaf, payload, is_known in known:
            topic = contract.device_topic(device, leaf)
            if is_known:
                message = Message(topic, payload.encode(), 1, True, time_ns=changed_ns)
                _retained_saved(db, backend.RetainedSaved(message))


def _message(row: Iterable[Any]) -> Message:
    topic, payload, qos, retain, encoded, account, publisher, time_ns, expires_ns = row
    return Message(
        topic,
        bytes(payload),
        qos,
        bool(retain),
        properties.decode_forwarded(encoded),
        account,
        publisher,
        time_ns,
        expires_ns,
    )


def _row(message: Message) -> tuple[Any, ...]:
    return (
        message.topic,
        message.payload,
        message.qos,
        message.retain,
        properties.encode(message.properties) if message.properties else b"",
        message.account,
        message.client_id,
        message.time_ns,
        message.expires_ns,
    )


def _session_saved(db: sqlite3.Connection, change: backend.SessionSaved) -> None:
    db.execute(
        "INSERT OR REPLACE INTO mqtt_session VALUES (?, ?, ?, ?)",
        (change.client_id, change.account, change.expiry_s, change.expires_ns),
    )


def _session_removed(db: sqlite3.Connection, change: backend.SessionRemoved) -> None:
    for table in _TABLES_OF_A_SESSION:
        db.execute(f"DELETE FROM {table} WHERE client_id = ?", (change.client_id,))


def _subscription_saved(db: sqlite3.Connection, change: backend.SubscriptionSaved) -> None:
    one = change.subscription
    db.execute(
        "INSERT OR REPLACE INTO mqtt_subscription VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            change.client_id,
            one.topic_filter,
            one.qos,
            one.no_local,
            one.retain_as_published,
            one.retain_handling,
            one.identifier,
        ),
    )


def _subscription_removed(db: sqlite3.Connection, change: backend.SubscriptionRemoved) -> None:
    db.execute(
        "DELETE FROM mqtt_subscription WHERE client_id = ? AND topic_filter = ?",
        (change.client_id, change.topic_filter),
    )


def _message_queued(db: sqlite3.Connection, change: backend.MessageQueued) -> None:
    db.execute(
        "INSERT OR REPLACE INTO mqtt_queue (client_id, packet_id, delivery_qos, delivery_retain, "
        f"identifiers, {_MESSAGE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            change.client_id,
            change.packet_id,
            change.qos,
            change.retain,
            " ".join(map(str, change.identifiers)),
            *_row(change.message),
        ),
    )


def _message_released(db: sqlite3.Connection, change: backend.MessageReleased) -> None:
    db.execute(
        "UPDATE mqtt_queue SET released = 1, payload = x'', properties = x'' "
        "WHERE client_id = ? AND packet_id = ?",
        (change.client_id, change.packet_id),
    )


def _message_dequeued(db: sqlite3.Connection, change: backend.MessageDequeued) -> None:
    db.execute(
        "DELETE FROM mqtt_queue WHERE client_id = ? AND packet_id = ?",
        (change.client_id, change.packet_id),
    )


def _packet_id_received(db: sqlite3.Connection, change: backend.PacketIdReceived) -> None:
    db.execute(
        "INSERT OR REPLACE INTO mqtt_received VALUES (?, ?)", (change.client_id, change.packet_id)
    )


def _packet_id_released(db: sqlite3.Connection, change: backend.PacketIdReleased) -> None:
    db.execute(
        "DELETE FROM mqtt_received WHERE client_id = ? AND packet_id = ?",
        (change.client_id, change.packet_id),
    )


def _retained_saved(db: sqlite3.Connection, change: backend.RetainedSaved) -> None:
    db.execute(
        f"INSERT OR REPLACE INTO mqtt_retained ({_MESSAGE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        _row(change.message),
    )


def _retained_removed(db: sqlite3.Connection, change: backend.RetainedRemoved) -> None:
    db.execute("DELETE FROM mqtt_retained WHERE topic = ?", (change.topic,))


def _will_saved(db: sqlite3.Connection, change: backend.WillSaved) -> None:
    db.execute(
        f"INSERT OR REPLACE INTO mqtt_will (client_id, {_MESSAGE}) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (change.client_id, *_row(change.message)),
    )


def _will_removed(db: sqlite3.Connection, change: backend.WillRemoved) -> None:
    db.execute("DELETE FROM mqtt_will WHERE client_id = ?", (change.client_id,))


_APPLY: dict[type, Callable[[sqlite3.Connection, Any], None]] = {
    backend.SessionSaved: _session_saved,
    backend.SessionRemoved: _session_removed,
    backend.SubscriptionSaved: _subscription_saved,
    backend.SubscriptionRemoved: _subscription_removed,
    backend.MessageQueued: _message_queued,
    backend.MessageReleased: _message_released,
    backend.MessageDequeued: _message_dequeued,
    backend.PacketIdReceived: _packet_id_received,
    backend.PacketIdReleased: _packet_id_released,
    backend.RetainedSaved: _retained_saved,
    backend.RetainedRemoved: _retained_removed,
    backend.WillSaved: _will_saved,
    backend.WillRemoved: _will_removed,
}
