"""The time of day: uptime without a wrap, one question to a time server, a clock made of both."""


class Refused(OSError):
    """A kiss of death (RFC 4330 section 8): this server wants to be left alone."""
