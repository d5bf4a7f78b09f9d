"""What must hold for every packet, request and form, on CPython and on MicroPython alike.

Written without a look at how the parsers do it. Nothing here walks over the characters of a `str`:
MicroPython keeps each character that it met so, which would hide in, or pass for, a leak.
"""

import struct

from mote.portal import dns, form, request

ADDRESS = b"\xc0\xa8\x04\x01"
_NAME_MAX = 255
_HEAD = 2048
_BODY = 2048
_METHODS = ("GET", "HEAD", "POST")
_STATUSES = (400, 403, 404, 405, 413, 505)
_HEX = b"0123456789abcdefABCDEF"


def check_dns(packet: bytes) -> None:
    """One packet through the DNS server's parser. Raises AssertionError for a wrong response."""
    response = dns.answer(packet, ADDRESS)
    asked = 12 <= len(packet) <= 512 and not packet[2] & 0x80
    assert (response is not None) == asked, "answers queries, all of them, and nothing else"
    if response is None:
        return
    assert len(response) <= 12 + _NAME_MAX + 4 + 16, "no longer than the longest name makes it"
    flags, questions, answers, authorities, additional = struct.unpack("!5H", response[2:12])
    assert response[:2] == packet[:2], "the same id"
    assert flags & 0x8000, "a response"
    assert not flags & 0x0270, "neither cut nor with reserved bits"
    assert flags & 0x7900 == struct.unpack("!H", packet[2:4])[0] & 0x7900, "opcode, RD as asked"
    assert authorities == additional == 0
    end = _end_of_question(packet)
    if flags & 0x7800:
        assert flags & 15 == 4 and len(response) == 12 and questions == answers == 0
    elif packet[4:6] != b"\0\1" or end is None:
        assert flags & 15 == 1 and len(response) == 12 and questions == answers == 0
    else:
        assert flags & 15 == 0 and questions == 1
        assert response[12:end] == packet[12:end], "the question as it was asked"
        kind, family = struct.unpack("!HH", packet[end - 4 : end])
        assert answers == (1 if family == 1 and kind in (1, 255) else 0)
        _check_record(response[end:], answers)


def _check_record(record: bytes, answers: int) -> None:
    if not answers:
        assert not record
        return
    name, kind, family, life, size = struct.unpack("!HHHIH", record[:12])
    assert (name, kind, family, size) == (0xC00C, 1, 1, 4)
    assert 0 <= life <= 60
    assert record[12:] == ADDRESS


def _end_of_question(packet: bytes) -> "int | None":
    """Index behind the first question; None when there is no well-formed one (RFC 1035, 3.1)."""
    rest = packet[12:]
    size = 0
    while rest and rest[0]:
        label = rest[0]
        if label > 63 or len(rest) <= label:
            return None
        size += 1 + label
        rest = rest[1 + label :]
    if len(rest) < 5 or size + 1 > _NAME_MAX:
        return None
    return 12 + size + 5


class Stream:
    """Gives `data` in pieces of at most `size`."""

    def __init__(self, data: bytes, size: int):
        self.data = data
        self.size = size
        self.place = 0

    async def read(self, count: int) -> bytes:
        assert 0 < count <= 512, "a board has no heap for large reads"
        piece = self.data[self.place : self.place + min(count, self.size)]
        self.place += len(piece)
        return piece


def _outcome(data: bytes, size: int):
    """The request, the status that refuses it, or None when it is cut."""
    try:
        request.read_request(Stream(data, size)).send(None)
    except StopIteration as done:
        return done.value
    except request.Refused as refused:
        assert refused.status in _STATUSES
        return refused.status
    except EOFError:
        return None
    raise AssertionError("waits for more than its stream")


def check_http(data: bytes) -> None:
    """One request through the parsers of requests and forms, in pieces that its first byte tells.

    Raises AssertionError for a wrong result.
    """
    data, size = data[1:], 1 + 2 * (data[0] if data else 0)
    outcome = _outcome(data, size)
    whole = _outcome(data, 512)
    if outcome is None or isinstance(outcome, int):
        assert outcome == whole, "pieces make no difference"
        return
    assert not (whole is None or isinstance(whole, int)), "pieces make no difference"
    for name in ("method", "path", "headers", "body"):
        assert getattr(outcome, name) == getattr(whole, name), "pieces make no difference"
    _check_request(outcome, data)
    if outcome.method == "POST":
        check_form(outcome.body)


def _check_request(given: request.Request, data: bytes) -> None:
    head, _, rest = data.partition(b"\r\n\r\n")
    assert len(head) + 4 <= _HEAD, "no longer than the limit"
    assert given.method in _METHODS
    assert data.startswith(given.method.encode() + b" ")
    path = given.path.encode()
    assert path in head and b"?" not in path
    assert all(32 < c != 127 for c in path), "no control characters in a path"
    assert ":" not in given.host
    assert len(given.body) <= _BODY
    assert len(given.body) == int(given.headers.get("content-length", "0"))
    assert rest.startswith(given.body)


def check_form(body: bytes) -> None:
    """One form through its parser, which must agree with the slow one below."""
    expected = {}
    for pair in body.split(b"&"):
        name, _, value = pair.partition(b"=")
        if name:
            expected[_plain(name)] = _plain(value)
    fields = form.decode(body)
    assert fields == expected, "decodes as the standard says"
    assert all(isinstance(v, str) for v in fields.values())


def _plain(data: bytes) -> str:
    """Percent-decoded (WHATWG URL, 1.3): only `%` with two hex digits behind it is an escape."""
    result = bytearray()
    place = 0
    while place < len(data):
        byte = data[place]
        if byte == 37 and len(data) > place + 2 and all(d in _HEX for d in data[place + 1 :][:2]):
            byte = int(str(data[place + 1 : place + 3], "ascii"), 16)
            place += 2
        elif byte == 43:
            byte = 32
        result.append(byte)
        place += 1
    try:
        return str(result, "utf-8")
    except UnicodeError:
        return str(bytes(b if b < 128 else 63 for b in result), "ascii")


# What is checked by its name, and the longest input that is worth a try.
TARGETS = {"dns": (check_dns, 700), "http": (check_http, 4096)}
