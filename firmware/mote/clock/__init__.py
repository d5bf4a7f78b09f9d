"""The time of day: uptime without a wrap, one question to a time server, a clock made of both."""
