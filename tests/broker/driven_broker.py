"""The broker without sockets or a clock: a test says what comes in, what time it is, and when a
batch is durable."""

import copy
import sqlite3
from typing import Any

import wire_format as wire
from motekit.broker.backend import Account, Batch, LoginLimitError, Message
from motekit.broker.core import Broker, Connection
from motekit.broker.limits import Limits
from motekit.hub import session_store
from wire_format import V5, V311, Packet

UNIX_NS = 1_700_000_000 * 10**9


class Accounts:
    """Accounts with passwords, and an owner without limits; a device has topics of its own."""

    def __init__(self) -> None:
        self.passwords = {"owner": b"o", "plant1": b"1", "plant2": b"2"}
        self.is_anonymous_allowed = True
        # Addresses that sent too many wrong passwords.
        self.limited: set[str] = set()

    def authenticate(
        self, username: str | None, password: bytes | None, address: str
    ) -> Account | None:
        if address in self.limited:
            raise LoginLimitError("too many wrong passwords")
        if username is None:
            return Account("", limited=False) if self.is_anonymous_allowed else None
        if self.passwords.get(username) != password:
            return None
        return Account(username, limited=username != "owner", version=self._version(username))

    def accounts_changed(self) -> bool:
        return True

    def is_current(self, account: Account) -> bool:
        return not account.name or account.version == self._version(account.name)

    def _version(self, name: str) -> str:
        return self.passwords.get(name, b"").decode()

    def has_account(self, name: str) -> bool:
        return name in self.passwords

    def may_use_client_id(self, account: Account, client_id: str) -> bool:
        own = (account.name, account.name + "/")
        return not account.limited or client_id == own[0] or client_id.startswith(own[1])

    def may_publish_will(self, account: Account, topic: str) -> bool:
        # Of one from before a restart only the name is known.
        return account.name in ("", "owner") or self.may_publish(account, topic)

    def may_publish(self, account: Account, topic: str) -> bool:
        return not account.limited or topic.split("/")[1:2] == [account.name]

    def may_subscribe(self, account: Account, topic_filter: str) -> bool:
        if topic_filter == "test/nosubscribe":
            return False
        return not account.limited or topic_filter == f"devices/{account.name}/cmd"


class DrivenBroker:
    """A broker with everything in memory. `auto_commit` False leaves batches to the test.

    What was committed is kept in the tables of the hub, from which `restart` begins anew.
    """

    def __init__(self, limits: Limits | None = None, auto_commit: bool = True) -> None:
        self.accounts = Accounts()
        self.limits = limits or Limits()
        self.auto_commit = auto_commit
        self.now = 1000.0
        self.committed: list[Message] = []
        self.database = sqlite3.connect(":memory:")
        self.database.executescript(session_store.SCHEMA)
        self.start()

    def start(self) -> None:
        saved = session_store.load(self.database)
        self.broker = Broker(self.accounts, self.limits, saved, self.now, self.unix_ns)
        self.clients: list[Client] = []
        self.settle()

    def restart(self) -> None:
        """As after a kill: what was not committed is gone."""
        self.start()

    @property
    def unix_ns(self) -> int:
        return UNIX_NS + int(self.now * 1e9)

    def client(self, address: str = "192.0.2.1", version: int = V311) -> "Client":
        """A connection that has sent nothing."""
        self.set_time()
        connection = self.broker.open(address)
        assert connection
        client = Client(self, connection, version)
        self.clients.append(client)
        self.settle()
        return client

    def connect(self, client_id: str = "", version: int = V311, **more: Any) -> "Client":
        """A client that the broker has let in."""
        client = self.client(version=version)
        client.send(wire.connect(client_id, version=version, **more))
        connack = client.take(wire.CONNACK)
        assert connack.reason == 0, connack
        client.connack = connack
        return client

    def set_time(self) -> None:
        self.broker.set_time(self.now, self.unix_ns)

    def settle(self) -> None:
        """Commit, if that is automatic, and collect what the broker sends."""
        self.set_time()
        while self.auto_commit and self.commit():
            pass
        self.collect()

    def commit(self) -> Batch | None:
        """Make the next batch durable; returns it."""
        self.set_time()
        batch = self.broker.take_batch()
        if batch is None:
            self.collect()
            return None
        self.committed += copy.deepcopy(batch.content.messages)
        with self.database:
            session_store.apply(self.database, batch.content.changes)
        self.broker.committed()
        self.collect()
        return batch.content

    def collect(self) -> None:
        self.broker.take_changed()
        for client in self.clients:
            client.collect()

    def wait(self, seconds: float) -> None:
        """Let time pass, in the steps of the real timer."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.25)
            self.set_time()
            self.broker.run_timers()
            self.settle()


class Client:
    """One connection, seen from the client."""

    def __init__(self, world: DrivenBroker, connection: Connection, version: int) -> None:
        self.world, self.connection, self.version = world, connection, version
        self.received: list[Packet] = []
        self.is_closed = False
        self.connack: Packet
        self._rest = b""

    def send(self, *packets: bytes) -> None:
        """Send packets in one piece."""
        self.feed(b"".join(packets))

    def feed(self, data: bytes) -> None:
        self.world.set_time()
        self.connection.receive(data)
        self.world.settle()

    def collect(self) -> None:
        found, self._rest = wire.split(self._rest + self.connection.take_output(), self.version)
        self.received += found
        if self.connection.is_closing and not self.is_closed:
            self.is_closed = True
            self.world.broker.closed(self.connection)

    def take(self, kind: int) -> Packet:
        """The oldest packet, which must be of this kind."""
        assert self.received, f"nothing came, not even a packet of type {kind}"
        first = self.received.pop(0)
        assert first.kind == kind, (first, self.received)
        return first

    def take_all(self) -> list[Packet]:
        taken, self.received = self.received, []
        return taken

    def published(self) -> list[tuple[str, bytes]]:
        """Topics and payloads of all messages that came; other packets must not have come."""
        taken = self.take_all()
        assert all(one.kind == wire.PUBLISH for one in taken), taken
        return [(one.topic, one.payload) for one in taken]

    def subscribe(self, *filters: tuple[str, int], **more: Any) -> Packet:
        """Subscribe; returns SUBACK, which comes before retained messages."""
        self.send(wire.subscribe(1, *filters, version=self.version, **more))
        return self.take(wire.SUBACK)

    def publish(self, topic: str, payload: bytes = b"", qos: int = 0, **more: Any) -> None:
        """Publish with a complete exchange."""
        self.send(wire.publish(topic, payload, qos, qos and 9, version=self.version, **more))
        if qos == 1:
            assert self.take(wire.PUBACK).packet_id == 9
        elif qos == 2:
            assert self.take(wire.PUBREC).packet_id == 9
            self.send(wire.acknowledge(wire.PUBREL, 9))
            assert self.take(wire.PUBCOMP).packet_id == 9

    def drop(self) -> None:
        """The network connection breaks."""
        self.is_closed = True
        self.world.set_time()
        self.world.broker.closed(self.connection)
        self.world.settle()

    def disconnect(self) -> None:
        self.send(wire.DISCONNECT_PACKET)
        assert self.is_closed


__all__ = ["V5", "V311", "Client", "DrivenBroker"]
