"""What a client did wrong, with the reason code that an MQTT 5 client is told."""

from motekit.broker import reason_codes


class ProtocolError(Exception):
    """The client broke the protocol: its connection is closed with `reason`."""

    def __init__(self, text: str, reason: int = reason_codes.PROTOCOL_ERROR) -> None:
        super().__init__(text)
        self.reason = reason


class MalformedPacket(ProtocolError):
    """A packet that cannot be parsed (MQTT 5, 4.13)."""

    def __init__(self, text: str) -> None:
        super().__init__(text, reason_codes.MALFORMED_PACKET)
