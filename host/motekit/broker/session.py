"""The state of one client that outlives a connection (MQTT 5, 4.1)."""

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from motekit.broker.backend import Account, Message, Subscription

LAST_PACKET_ID = 65_535


# Added for what Python needs to hold a message, or one property of it.
_MESSAGE_BYTES, _PROPERTY_BYTES = 500, 150


def memory_bytes(message: Message) -> int:
    """Return roughly how much memory it costs to keep a message."""
    size = _MESSAGE_BYTES + len(message.payload) + len(message.topic)
    for _, value in message.properties:
        size += _PROPERTY_BYTES
        if isinstance(value, tuple):
            size += len(value[0]) + len(value[1])
        elif not isinstance(value, int):
            size += len(value)
    return size


@dataclass(slots=True, eq=False)
class Delivery:
    """A message on its way to one client; `packet_id` is 0 at QoS 0."""

    message: Message
    qos: int
    retain: bool
    identifiers: tuple[int, ...] = ()
    packet_id: int = 0
    # It may have been sent before (DUP).
    duplicate: bool = False

    @property
    def size(self) -> int:
        """Bytes that it costs to keep, roughly."""
        return memory_bytes(self.message)


class ClientConnection(Protocol):
    """What a session needs of the connection of its client."""

    # Whether the client still takes more; what is sent while it does not waits in memory.
    writable: bool
    # How many messages at QoS 1 and 2 may be unacknowledged.
    window: int

    def send_publish(self, delivery: Delivery) -> bool:
        """Send a message; False, with nothing sent, if the client does not accept its size."""
        ...

    def send_pubrel(self, packet_id: int) -> None:
        """Send PUBREL."""
        ...

    def end(self, reason: int) -> None:
        """Disconnect the client, with its will."""
        ...


@dataclass(slots=True)
class Will:
    """A last will, and the account that its client was verified as.

    A delayed one is published at `at` (monotonic seconds) if its client does not return.
    """

    message: Message
    account: Account
    at: float = 0.0


class Session:
    """Subscriptions of a client, and its messages that are not delivered yet.

    It is persistent when it outlives the connection (`expiry_s` above 0).
    """

    __slots__ = (
        "_last_id",
        "account",
        "client_id",
        "connection",
        "delayed_will",
        "ended",
        "expires_at",
        "expiry_s",
        "inflight",
        "packet_ids",
        "queue",
        "queued_bytes",
        "received",
        "released",
        "subscriptions",
    )

    def __init__(self, client_id: str, account: str, expiry_s: int) -> None:
        self.client_id = client_id
        self.account = account
        self.expiry_s = expiry_s
        self.connection: ClientConnection | None = None
        self.subscriptions: dict[str, Subscription] = {}
        # Committed, not sent yet.
        self.queue: deque[Delivery] = deque()
        # Sent, without PUBACK or PUBREC; in the order in which they were sent.
        self.inflight: dict[int, Delivery] = {}
        # PUBREC has come, PUBCOMP has not.
        self.released: dict[int, None] = {}
        # Packet ids of QoS 2 messages of the client that it has not released yet.
        self.received: set[int] = set()
        # All packet ids in use, those of messages that are not committed yet included.
        self.packet_ids: set[int] = set()
        self.queued_bytes = 0
        self.delayed_will: Will | None = None
        # When it ends, in monotonic seconds; None while its client is connected.
        self.expires_at: float | None = None
        self.ended = False
        self._last_id = 0

    @property
    def is_persistent(self) -> bool:
        return self.expiry_s > 0

    def new_packet_id(self) -> int:
        """Take a packet id that is not in use."""
        used = self.packet_ids
        packet_id = self._last_id
        while True:
            packet_id = packet_id % LAST_PACKET_ID + 1
            if packet_id not in used:
                used.add(packet_id)
                self._last_id = packet_id
                return packet_id

    def requeue_inflight(self) -> None:
        """Put what an earlier connection left unacknowledged before what waits (4.4)."""
        for delivery in reversed(self.inflight.values()):
            delivery.duplicate = True
            self.queue.appendleft(delivery)
        self.inflight.clear()

    def restore(self, queue: list[Delivery], released: list[int], received: list[int]) -> None:
        """Take over what was saved; messages may have been sent before."""
        for one in queue:
            one.duplicate = True
        self.queue.extend(queue)
        self.queued_bytes = sum(one.size for one in queue)
        self.released = dict.fromkeys(released)
        self.received = set(received)
        self.packet_ids = {one.packet_id for one in queue} | set(released)
        self._last_id = queue[-1].packet_id if queue else 0
