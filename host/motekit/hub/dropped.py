"""Messages that clients of the broker did not get, counted by reason and said in words."""

# The broker's statistic -> why.
REASONS = {
    "queue_dropped": "because the queue of a client that is away or slow is full",
    "output_dropped": "because a client reads too slowly",
    "too_large_dropped": "because a client accepts no message of that size",
}


def sentence(dropped: dict[str, int]) -> str:
    """Return what was dropped since the hub started, empty for nothing."""
    counts = [(dropped.get(name, 0), why) for name, why in REASONS.items()]
    counts = [(count, why) for count, why in counts if count]
    if not counts:
        return ""
    total = sum(count for count, _ in counts)
    parts = ", ".join(f"{count} {why}" for count, why in counts)
    return (
        f"{total} messages did not reach an MQTT client since the hub started: {parts}. "
        "Readings are stored all the same"
    )
