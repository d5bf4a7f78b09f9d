"""The broker without input and output: connections, batches and timers.

`Broker` is driven by its caller: every call passes the time, connections are given bytes, and
`take_changed` tells which of them have something to send or to be closed. `server` drives it with
asyncio, tests drive it directly.
"""

import logging

from motekit.broker import reason_codes
from motekit.broker.backend import Backend, Message, SavedState
from motekit.broker.connection import Connection
from motekit.broker.limits import Limits
from motekit.broker.pending import Pending
from motekit.broker.state import BrokerState, PendingBatch
from motekit.limited_log import LimitedLog

LOGGER = logging.getLogger(__name__)

__all__ = ["Broker", "Connection", "PendingBatch"]


class Broker:
    """All clients of one broker. `saved` is what was committed before."""

    def __init__(
        self, backend: Backend, limits: Limits | None = None, saved: SavedState | None = None,
        now: float = 0.0, unix_ns: int = 0,
    ) -> None:  # fmt: skip
        self.limits = limits or Limits()
        self.connections: dict[Connection, None] = {}
        self.state = BrokerState(backend, self.limits)
        self.state.set_time(now, unix_ns)
        self.log = LimitedLog(LOGGER, clock=lambda: self.state.now)
        self._pending: Pending[Connection] = Pending()
        self._changed: dict[Connection, None] = {}
        self._committing: PendingBatch | None = None
        if saved:
            self.state.restore(saved)

    def set_time(self, now: float, unix_ns: int) -> None:
        """Set monotonic seconds and Unix time in ns for the calls that follow."""
        self.state.set_time(now, unix_ns)

    # Connections

    def open(self, address: str, is_local: bool = False) -> Connection | None:
        """Return a new connection, or None when there are too many and it has to be closed.

        `is_local` exempts it from the limit of connections of one address without a login.
        """
        limits, state, pending = self.limits, self.state, self._pending
        if not is_local and pending.count(address) >= limits.pending_per_address:
            self._reject(pending.oldest(address), "from one address")
        full = len(self.connections) >= limits.connections
        if full and not pending:
            state.statistics["refused_connections"] += 1
            self.log.log(
                logging.WARNING,
                "full",
                "Refused a connection from %s: %d clients are connected, which is the limit",
                address,
                len(self.connections),
            )
            return None
        if full or len(pending) >= limits.pending_connections:
            self._reject(pending.oldest(), "in all")
        connection = Connection(state, self._changed, pending, self.log, address)
        self.connections[connection] = None
        pending.add(connection, address)
        return connection

    def closed(self, connection: Connection) -> None:
        """The transport of a connection is gone."""
        connection.lost()
        self.connections.pop(connection, None)
        self._changed.pop(connection, None)

    def take_changed(self) -> list[Connection]:
        """Return the connections that have output, are closing, or may be read from again."""
        changed = list(self._changed)
        self._changed.clear()
        return changed

    def run_timers(self) -> None:
        """Do what is due: keep-alive, connect time-outs, delayed wills, session expiry."""
        for connection in list(self.connections):
            connection.check_time()
        self.state.run_timers()
        if self.state.backend.accounts_changed():
            self._check_accounts()

    def _check_accounts(self) -> None:
        """Disconnect clients whose login does not count any more, at once."""
        backend = self.state.backend
        for connection in list(self.connections):
            if connection.session and not backend.is_current(connection.account):
                connection.end(reason_codes.NOT_AUTHORIZED)
        self.state.end_sessions_without_account()

    def _reject(self, connection: Connection, which: str) -> None:
        self.state.statistics["rejected_pending"] += 1
        self.log.log(
            logging.WARNING,
            "pending",
            "Closed a connection from %s: too many %s that have not logged in",
            connection.address,
            which,
        )
        connection.end(reason_codes.SERVER_BUSY)
        # It is gone when its transport is; until then it does not count.
        self.connections.pop(connection, None)

    # Messages of the application

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        """Publish a message of the application itself."""
        stamp = self.state.stamp()
        self.state.publish(Message(topic, payload, qos, retain, time_ns=stamp))

    # Batches

    def take_batch(self) -> PendingBatch | None:
        """Return what has to be committed now; None if there is nothing, or one is not done."""
        if self._committing:
            return None
        while batch := self.state.take_batch():
            if batch.needs_commit:
                self._committing = batch
                return batch
            self.state.finish(batch)
        return None

    def committed(self) -> None:
        """The batch that was taken is durable: acknowledge and deliver."""
        batch, self._committing = self._committing, None
        assert batch
        self.state.finish(batch)

    # The end

    def shut_down(self) -> None:
        """Disconnect all clients, with their wills."""
        for connection in list(self.connections):
            connection.end(reason_codes.SERVER_SHUTTING_DOWN)
