"""What the broker knows: sessions, subscriptions, retained messages, and the batch to commit.

A message is routed when it arrives and delivered when the batch that holds it is committed, so
that subscribers and publishers learn of nothing that a crash could take back.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from motekit.broker import reason_codes, topics
from motekit.broker.backend import (
    Account,
    Backend,
    Batch,
    Change,
    Message,
    MessageDequeued,
    MessageQueued,
    MessageReleased,
    RetainedRemoved,
    RetainedSaved,
    SavedState,
    SessionRemoved,
    SessionSaved,
    Subscription,
    SubscriptionRemoved,
    SubscriptionSaved,
    WillRemoved,
    WillSaved,
)
from motekit.broker.limits import Limits
from motekit.broker.session import (
    ClientConnection,
    Delivery,
    Session,
    Will,
    memory_bytes,
)
from motekit.broker.topics import Match, SubscriptionTree

_BACKWARDS_NS = 1_000_000_000
# So many takeovers within so many seconds are two clients that evict each other.
EVICTIONS = 5
_EVICTIONS_WITHIN_S = 120.0
_REMEMBERED_TAKEOVERS = 1_000


class Acknowledgements:
    """What one connection gets when a batch is committed."""

    __slots__ = ("data", "qos1", "size")

    def __init__(self) -> None:
        self.data = bytearray()
        # Received bytes, and messages at QoS 1, which no longer count against its limits then.
        self.size = 0
        self.qos1 = 0


class Acknowledged:
    """A connection as the batch knows it."""

    __slots__ = ()

    def committed(self, acknowledgements: Acknowledgements) -> None:
        """Send what was held back until the batch was durable."""
        raise NotImplementedError


@dataclass(slots=True)
class PendingBatch:
    """A batch, and what happens when it is committed."""

    number: int
    content: Batch = field(default_factory=Batch)
    deliveries: list[tuple[Session, Delivery]] = field(default_factory=list)
    acknowledgements: dict[Acknowledged, Acknowledgements] = field(default_factory=dict)

    @property
    def needs_commit(self) -> bool:
        return bool(self.content.messages or self.content.changes)

    @property
    def is_empty(self) -> bool:
        return not (self.needs_commit or self.deliveries or self.acknowledgements)

    def of(self, connection: Acknowledged) -> Acknowledgements:
        """Return what `connection` gets."""
        found = self.acknowledgements.get(connection)
        if found is None:
            found = self.acknowledgements[connection] = Acknowledgements()
        return found


@dataclass(slots=True)
class _Retained:
    message: Message
    batch: int


class BrokerState:
    """Everything but the connections themselves."""

    def __init__(self, backend: Backend, limits: Limits) -> None:
        self.backend = backend
        self.limits = limits
        self.sessions: dict[str, Session] = {}
        self.batch = PendingBatch(1)
        # The number of the last batch that is durable.
        self.committed = 0
        self.uncommitted_bytes = 0
        self.queued_bytes = 0
        self.now = 0.0
        # Counts of what was dropped, refused and the like, by name.
        self.statistics: Counter[str] = Counter()
        self._clock_ns = 0
        self._last_ns = 0
        self._tree: SubscriptionTree[Session] = SubscriptionTree()
        self._retained: dict[str, _Retained] = {}
        self._retained_bytes = 0
        self._retained_by: Counter[str] = Counter()
        # Sessions without a connection, which end some time or have a will to publish.
        self._absent: dict[Session, None] = {}
        # Client id -> when its connection was taken over, the last times.
        self._takeovers: dict[str, deque[float]] = {}
        self._sessions_by: Counter[str] = Counter()
        self._connections_by: Counter[str] = Counter()

    # Time

    def set_time(self, now: float, unix_ns: int) -> None:
        """Set monotonic and Unix time for what follows."""
        self.now = now
        self._clock_ns = unix_ns
        # A clock that was set back is followed; a jitter is not.
        if unix_ns < self._last_ns - _BACKWARDS_NS:
            self._last_ns = unix_ns - 1

    def stamp(self) -> int:
        """Return the time of arrival of a message, later than that of the one before."""
        stamp = self._clock_ns
        if stamp <= self._last_ns:
            stamp = self._last_ns + 1
        self._last_ns = stamp
        return stamp

    def unix_ns(self, at: float) -> int:
        """Return a monotonic time as Unix time."""
        return self._clock_ns + int((at - self.now) * 1e9)

    def is_expired(self, message: Message) -> bool:
        return bool(message.expires_ns) and message.expires_ns <= self._clock_ns

    def remaining_s(self, message: Message) -> int | None:
        """Return what is left of the expiry interval of a message (MQTT 5, 3.3.2.3.3)."""
        if not message.expires_ns:
            return None
        return max(0, -((self._clock_ns - message.expires_ns) // 1_000_000_000))

    # Start

    def restore(self, saved: SavedState) -> None:
        """Take over what was saved; wills of clients that were connected then are published."""
        for message in saved.retained:
            self._keep_retained(message, 0)
        for one in saved.sessions:
            session = Session(one.client_id, one.account, one.expiry_s)
            queue = [
                Delivery(entry.message, entry.qos, entry.retain, entry.identifiers, entry.packet_id)
                for entry in one.queue
            ]
            session.restore(queue, one.released, one.received)
            self.queued_bytes += session.queued_bytes
            for subscription in one.subscriptions:
                session.subscriptions[subscription.topic_filter] = subscription
                self._tree.add(session, subscription)
            self._add_session(session)
            left_s = float(one.expiry_s)
            if one.expires_ns is not None:
                left_s = min(left_s, (one.expires_ns - self._clock_ns) / 1e9)
            self._expire_at(session, self.now + max(0.0, left_s))
            if one.expires_ns is None:
                self._save(session)
        for client_id, message in saved.wills:
            self.change(WillRemoved(client_id))
            self.publish_will(Will(message, Account(message.account)))

    # Batches

    def change(self, change: Change) -> None:
        """Add a change of the broker's own state to the batch."""
        self.batch.content.changes.append(change)

    def take_batch(self) -> PendingBatch | None:
        """Return what has to be committed next, and begin a new batch."""
        batch = self.batch
        if batch.is_empty:
            return None
        self.batch = PendingBatch(batch.number + 1)
        return batch

    def finish(self, batch: PendingBatch) -> None:
        """Deliver and acknowledge: the batch is durable."""
        self.committed = batch.number
        for connection, acknowledgements in batch.acknowledgements.items():
            self.uncommitted_bytes -= acknowledgements.size
            connection.committed(acknowledgements)
        waiting: dict[Session, None] = {}
        for session, delivery in batch.deliveries:
            self._deliver(session, delivery, waiting)
        for session in waiting:
            self.pump(session)

    def hold_until_committed(self, connection: Acknowledged) -> Acknowledgements | None:
        """Return where to put an acknowledgement, or None if there is nothing to wait for."""
        if self.batch.is_empty and self.committed == self.batch.number - 1:
            return None
        return self.batch.of(connection)

    # Messages

    def publish(self, message: Message, publisher: Session | None = None) -> None:
        """Route a message whose publisher has the right to publish it."""
        batch = self.batch
        batch.content.messages.append(message)
        if message.retain:
            self._retain(message)
        matches = self._tree.match(message.topic)
        for match in matches.direct:
            self._route(match, message, publisher)
        for group in matches.shared:
            chosen = group.choose(lambda session: session.connection is not None)
            self._route(chosen, message, None)

    def publish_will(self, will: Will) -> None:
        """Publish a will now, if its account still may: much may have changed since the login."""
        message = will.message
        if not self.backend.may_publish_will(will.account, message.topic):
            self.statistics["wills_refused"] += 1
            return
        message.time_ns = self.stamp()
        if message.expires_ns:
            # A duration until now.
            message.expires_ns += message.time_ns
        self.publish(message)

    def _route(self, match: Match[Session], message: Message, publisher: Session | None) -> None:
        session = match.subscriber
        if match.has_no_local and session is publisher:
            own = match.for_own_messages()
            if own is None:
                return
            match = own
        qos = min(match.qos, message.qos)
        retain = message.retain and match.retain_as_published
        self._offer(session, Delivery(message, qos, retain, match.identifiers))

    def _offer(self, session: Session, delivery: Delivery) -> None:
        """Put a delivery into the batch if there is room for it in the queue of the session."""
        if delivery.qos:
            if not self._has_room(session, delivery):
                self.statistics["queue_dropped"] += 1
                return
            delivery.packet_id = session.new_packet_id()
            size = delivery.size
            session.queued_bytes += size
            self.queued_bytes += size
            if session.expiry_s:
                self.change(
                    MessageQueued(
                        session.client_id,
                        delivery.packet_id,
                        delivery.message,
                        delivery.qos,
                        delivery.retain,
                        delivery.identifiers,
                    )
                )
        elif session.connection is None:
            return
        self.batch.deliveries.append((session, delivery))

    def _has_room(self, session: Session, delivery: Delivery) -> bool:
        limits = self.limits
        size = delivery.size
        return (
            len(session.packet_ids) < limits.queue_messages
            and session.queued_bytes + size <= limits.queue_bytes
            and self.queued_bytes + size <= limits.all_queues_bytes
        )

    def _deliver(self, session: Session, delivery: Delivery, waiting: dict[Session, None]) -> None:
        if session.ended:
            return
        if delivery.qos:
            session.queue.append(delivery)
            waiting[session] = None
        elif session.connection is not None and not self.is_expired(delivery.message):
            session.connection.send_publish(delivery)

    def pump(self, session: Session) -> None:
        """Send what waits, as far as the client's window allows."""
        connection, queue, inflight = session.connection, session.queue, session.inflight
        if connection is None:
            return
        window = connection.window - len(session.released)
        while queue and len(inflight) < window and connection.writable:
            delivery = queue.popleft()
            if self.is_expired(delivery.message):
                self.statistics["expired"] += 1
                self._dequeue(session, delivery)
                continue
            inflight[delivery.packet_id] = delivery
            if not connection.send_publish(delivery):
                self.statistics["too_large_dropped"] += 1
                del inflight[delivery.packet_id]
                self._dequeue(session, delivery)

    def resend(self, session: Session) -> None:
        """Send again what an earlier connection left unacknowledged (4.4), then the rest."""
        assert session.connection
        for packet_id in session.released:
            session.connection.send_pubrel(packet_id)
        session.requeue_inflight()
        self.pump(session)

    def acknowledged(self, session: Session, packet_id: int, qos: int) -> bool:
        """Take PUBACK (`qos` 1), or a PUBREC that refuses (2); False for one that nobody awaits."""
        delivery = session.inflight.get(packet_id)
        if delivery is None or delivery.qos != qos:
            return False
        del session.inflight[packet_id]
        self._dequeue(session, delivery)
        self.pump(session)
        return True

    def received(self, session: Session, packet_id: int) -> bool:
        """Take PUBREC; False if there is no such message."""
        delivery = session.inflight.get(packet_id)
        if delivery is None or delivery.qos != 2:
            return packet_id in session.released
        del session.inflight[packet_id]
        self._forget_size(session, delivery)
        session.released[packet_id] = None
        if session.expiry_s:
            self.change(MessageReleased(session.client_id, packet_id))
        return True

    def completed(self, session: Session, packet_id: int) -> bool:
        """Take PUBCOMP; False if there is no such message."""
        if packet_id not in session.released:
            return False
        del session.released[packet_id]
        session.packet_ids.discard(packet_id)
        if session.expiry_s:
            self.change(MessageDequeued(session.client_id, packet_id))
        self.pump(session)
        return True

    def _dequeue(self, session: Session, delivery: Delivery) -> None:
        session.packet_ids.discard(delivery.packet_id)
        self._forget_size(session, delivery)
        if session.expiry_s:
            self.change(MessageDequeued(session.client_id, delivery.packet_id))

    def _forget_size(self, session: Session, delivery: Delivery) -> None:
        size = delivery.size
        session.queued_bytes -= size
        self.queued_bytes -= size

    # Retained messages

    def _retain(self, message: Message) -> None:
        known = self._retained.get(message.topic)
        if not message.payload:
            if known:
                self._drop_retained(message.topic)
                self.change(RetainedRemoved(message.topic))
            return
        if not known and not self.may_retain(message):
            self.statistics["retained_refused"] += 1
            return
        self._keep_retained(message, self.batch.number)
        self.change(RetainedSaved(message))

    def may_retain(self, message: Message, limited: bool = False) -> bool:
        """Return whether there is room for one more retained message."""
        limits = self.limits
        if message.topic in self._retained:
            return True
        if limited and self._retained_by[message.account] >= limits.account_retained:
            return False
        return (
            len(self._retained) < limits.retained_messages
            and self._retained_bytes + memory_bytes(message) <= limits.retained_bytes
        )

    def _keep_retained(self, message: Message, batch: int) -> None:
        if message.topic in self._retained:
            self._drop_retained(message.topic)
        self._retained[message.topic] = _Retained(message, batch)
        self._retained_bytes += memory_bytes(message)
        self._retained_by[message.account] += 1

    def _drop_retained(self, topic: str) -> None:
        gone = self._retained.pop(topic).message
        self._retained_bytes -= memory_bytes(gone)
        _decrement(self._retained_by, gone.account)

    def _matching_retained(self, topic_filter: str) -> Iterator[_Retained]:
        if "+" not in topic_filter and "#" not in topic_filter:
            exact = self._retained.get(topic_filter)
            found = [exact] if exact else []
        else:
            matches = topics.matcher(topic_filter)
            found = [one for topic, one in self._retained.items() if matches(topic)]
        for one in found:
            if self.is_expired(one.message):
                self._drop_retained(one.message.topic)
                self.change(RetainedRemoved(one.message.topic))
            else:
                yield one

    # Subscriptions

    def subscribe(self, session: Session, subscription: Subscription) -> None:
        """Add or replace a subscription whose filter is valid and allowed."""
        session.subscriptions[subscription.topic_filter] = subscription
        self._tree.add(session, subscription)
        if session.expiry_s:
            self.change(SubscriptionSaved(session.client_id, subscription))

    def send_retained(self, session: Session, subscription: Subscription) -> None:
        """Deliver the retained messages that match a new subscription (3.3.1.3)."""
        identifiers = (subscription.identifier,) if subscription.identifier else ()
        now: dict[Session, None] = {}
        for one in list(self._matching_retained(subscription.topic_filter)):
            qos = min(one.message.qos, subscription.qos)
            delivery = Delivery(one.message, qos, True, identifiers)
            self._offer(session, delivery)
            # Nothing to wait for: it is durable, and so is the queue of this session.
            if one.batch <= self.committed and not (qos and session.expiry_s):
                offered = self.batch.deliveries
                if offered and offered[-1][1] is delivery:
                    offered.pop()
                    self._deliver(session, delivery, now)
        for waiting in now:
            self.pump(waiting)

    def unsubscribe(self, session: Session, topic_filter: str) -> bool:
        """Remove a subscription; False if there is none."""
        if session.subscriptions.pop(topic_filter, None) is None:
            return False
        self._tree.remove(session, topic_filter)
        if session.expiry_s:
            self.change(SubscriptionRemoved(session.client_id, topic_filter))
        return True

    # Sessions

    def new_session(self, client_id: str, account: str, expiry_s: int) -> Session:
        """Create the session of a client that has been verified."""
        session = Session(client_id, account, expiry_s)
        self._add_session(session)
        return session

    def _add_session(self, session: Session) -> None:
        self.sessions[session.client_id] = session
        self._sessions_by[session.account] += 1

    def attach(
        self, session: Session, connection: ClientConnection, expiry_s: int, will: Message | None
    ) -> None:
        """Give a session the connection of its client."""
        session.connection = connection
        session.expires_at = None
        self._absent.pop(session, None)
        self._connections_by[session.account] += 1
        if session.is_persistent and not expiry_s:
            self.change(SessionRemoved(session.client_id))
        session.expiry_s = expiry_s
        if expiry_s:
            self._save(session)
        if session.delayed_will:
            session.delayed_will = None
            self.change(WillRemoved(session.client_id))
        if will:
            self.change(WillSaved(session.client_id, will))

    def detach(self, session: Session, will: Will | None, delay_s: int, publish_will: bool) -> None:
        """The client of a session is gone; its will is published now, later or not at all."""
        session.connection = None
        _decrement(self._connections_by, session.account)
        if will and publish_will and min(delay_s, session.expiry_s):
            delay_s = min(delay_s, session.expiry_s)
            will.at = self.now + delay_s
            session.delayed_will = will
        elif will:
            self.change(WillRemoved(session.client_id))
            if publish_will:
                self.publish_will(will)
        if session.expiry_s:
            self._expire_at(session, self.now + session.expiry_s)
            self._save(session)
        else:
            self.end_session(session)

    def end_session(self, session: Session) -> None:
        """Remove a session with everything that waits in it; a delayed will is published."""
        session.ended = True
        del self.sessions[session.client_id]
        self._absent.pop(session, None)
        _decrement(self._sessions_by, session.account)
        for topic_filter in session.subscriptions:
            self._tree.remove(session, topic_filter)
        self.queued_bytes -= session.queued_bytes
        session.queued_bytes = 0
        if session.is_persistent:
            self.change(SessionRemoved(session.client_id))
        self._publish_delayed(session)

    def set_expiry(self, session: Session, expiry_s: int) -> None:
        """Change the expiry interval of a session while its client is connected (3.14.2.2.2)."""
        if session.is_persistent and not expiry_s:
            self.change(SessionRemoved(session.client_id))
        session.expiry_s = expiry_s

    def sessions_of(self, account: str) -> int:
        """Return how many sessions an account has, with or without a connection."""
        return self._sessions_by[account]

    def connections_of(self, account: str) -> int:
        """Return how many clients of an account are connected."""
        return self._connections_by[account]

    def taken_over(self, client_id: str) -> None:
        """Note that a client connected while a connection with its id was open."""
        times = self._takeovers.pop(client_id, None) or deque(maxlen=EVICTIONS)
        times.append(self.now)
        # Again at the end: the oldest is forgotten first.
        self._takeovers[client_id] = times
        if len(self._takeovers) > _REMEMBERED_TAKEOVERS:
            del self._takeovers[next(iter(self._takeovers))]

    def is_evicted_repeatedly(self, client_id: str) -> bool:
        """Return whether two clients with this id take each other's place again and again."""
        times = self._takeovers.get(client_id)
        return (
            times is not None
            and len(times) == EVICTIONS
            and self.now - times[0] < _EVICTIONS_WITHIN_S
        )

    def end_sessions_without_account(self) -> None:
        """Disconnect clients whose account was removed, and end their sessions."""
        for name in list(self._sessions_by):
            if name and not self.backend.has_account(name):
                for session in [one for one in self.sessions.values() if one.account == name]:
                    if session.connection:
                        session.connection.end(reason_codes.NOT_AUTHORIZED)
                    if not session.ended:
                        self.end_session(session)

    def run_timers(self) -> None:
        """Publish delayed wills and end sessions whose time has come."""
        for session in list(self._absent):
            if session.delayed_will and session.delayed_will.at <= self.now:
                self._publish_delayed(session)
            if session.expires_at is not None and session.expires_at <= self.now:
                self.end_session(session)

    def _publish_delayed(self, session: Session) -> None:
        delayed, session.delayed_will = session.delayed_will, None
        if delayed:
            self.change(WillRemoved(session.client_id))
            self.publish_will(delayed)

    def _save(self, session: Session) -> None:
        expires_ns = None
        if session.expires_at is not None:
            expires_ns = self.unix_ns(session.expires_at)
        self.change(SessionSaved(session.client_id, session.account, session.expiry_s, expires_ns))

    def _expire_at(self, session: Session, at: float) -> None:
        session.expires_at = at
        self._absent[session] = None


def _decrement(counter: Counter[str], key: str) -> None:
    """Count down without keeping zeros."""
    if counter[key] > 1:
        counter[key] -= 1
    else:
        del counter[key]
