"""The broker's state survives in the database exactly as it was applied."""

import sqlite3

from motekit.broker import backend, properties
from motekit.broker.backend import Message, SavedSession, SavedState, Subscription
from motekit.hub import session_store

PROPERTIES = (
    (properties.CONTENT_TYPE, "text/plain"),
    (properties.CORRELATION_DATA, b"\x00\xff"),
    (properties.USER_PROPERTY, ("a", "1")),
    (properties.USER_PROPERTY, ("a", "2")),
)
MESSAGE = Message("a/b", b"\x00\xff", 2, True, PROPERTIES, "plant1", "client", 10**18, 2 * 10**18)


def database() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.executescript(session_store.SCHEMA)
    return db


def test_what_was_applied_is_loaded() -> None:
    db = database()
    subscription = Subscription("a/#", 2, True, True, 1, 268_435_455)
    queued = backend.MessageQueued("c", 7, MESSAGE, 1, True, (1, 2))
    session_store.apply(
        db,
        [
            backend.SessionSaved("c", "plant1", 0xFFFFFFFF, None),
            backend.SubscriptionSaved("c", subscription),
            backend.SubscriptionSaved("c", Subscription("b", 0)),
            backend.SubscriptionRemoved("c", "b"),
            queued,
            backend.MessageQueued("c", 8, MESSAGE, 2, False),
            backend.MessageQueued("c", 9, MESSAGE, 2, False),
            backend.MessageReleased("c", 8),
            backend.MessageDequeued("c", 9),
            backend.PacketIdReceived("c", 65535),
            backend.PacketIdReceived("c", 1),
            backend.PacketIdReleased("c", 1),
            backend.SessionSaved("c", "plant1", 60, 5),
            backend.RetainedSaved(MESSAGE),
            backend.RetainedSaved(Message("gone", b"1", 0, True)),
            backend.RetainedRemoved("gone"),
            backend.WillSaved("c", MESSAGE),
            backend.WillSaved("d", MESSAGE),
            backend.WillRemoved("d"),
        ],
    )
    session = SavedSession("c", "plant1", 60, 5, [subscription], [queued], [8], [65535])
    assert session_store.load(db) == SavedState([session], [MESSAGE], [("c", MESSAGE)])


def test_a_removed_session_takes_everything_but_its_will_with_it() -> None:
    db = database()
    session_store.apply(
        db,
        [
            backend.SessionSaved("c", "", 60, None),
            backend.SubscriptionSaved("c", Subscription("a", 1)),
            backend.MessageQueued("c", 1, MESSAGE, 1, False),
            backend.PacketIdReceived("c", 1),
            backend.WillSaved("c", MESSAGE),
            backend.SessionRemoved("c"),
            backend.SessionSaved("c", "other", 60, None),
        ],
    )
    assert session_store.load(db) == SavedState(
        [SavedSession("c", "other", 60, None)], [], [("c", MESSAGE)]
    )


def test_a_store_without_retained_messages_gets_those_of_its_devices() -> None:
    db = database()
    db.execute("CREATE TABLE device (id TEXT, online INTEGER, changed_ns INTEGER, info TEXT)")
    db.execute("INSERT INTO device VALUES ('plant1', 1, 5, '{\"ip\": 1}'), ('new', 0, 0, '{}')")
    session_store.seed_retained(db)
    retained = {one.topic: one.payload for one in session_store.load(db).retained}
    assert retained == {
        "devices/plant1/status": b"offline",
        "devices/plant1/info": b'{"ip": 1}',
    }
