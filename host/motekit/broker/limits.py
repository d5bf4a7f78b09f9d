"""Limits that keep memory and descriptors bounded whatever clients do."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
DAY_S = 86_400


@dataclass(frozen=True)
class Limits:
    """Bounds of one broker. Sizes are in bytes, times in seconds."""

    # A connection that has not sent a complete CONNECT by then is closed.
    connect_timeout_s: float = 10.0
    connect_packet_bytes: int = 64 * KIB
    # Connections without a verified login: beyond these the oldest one is closed.
    pending_connections: int = 1_000
    pending_per_address: int = 64
    connections: int = 10_000
    # A client that does not read what it is sent is disconnected.
    write_timeout_s: float = 60.0
    client_id_bytes: int = 256
    packet_bytes: int = MIB
    topic_levels: int = 64
    topic_characters: int = 4_096
    # MQTT 5 clients are told these two; MQTT 3.1.1 has no field for them.
    receive_maximum: int = 100
    keep_alive_s: int = 60
    topic_aliases: int = 16
    # Messages at QoS 1 and 2 that are sent to a client and not yet acknowledged by it.
    inflight: int = 20
    # What waits for one client at QoS 1 and 2, connected or absent; new messages are dropped.
    queue_messages: int = 10_000
    queue_bytes: int = 16 * MIB
    all_queues_bytes: int = 128 * MIB
    # What waits in the memory of one connection to be sent: beyond it QoS 0 is dropped.
    output_bytes: int = 8 * MIB
    # What was received and is not yet committed: beyond it nothing more is read.
    uncommitted_bytes: int = 256 * KIB
    all_uncommitted_bytes: int = 32 * MIB
    session_expiry_s: int = 7 * DAY_S
    sessions: int = 10_000
    subscriptions: int = 1_000
    retained_messages: int = 50_000
    retained_bytes: int = 64 * MIB
    # Of one account with `limited`.
    account_connections: int = 20
    account_sessions: int = 20
    account_retained: int = 500
