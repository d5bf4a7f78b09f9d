"""What must hold for every packet, request and form, on CPython and on MicroPython alike.

Written without a look at how the parsers do it. Nothing here walks over the characters of a `str`:
MicroPython keeps each character that it met so, which would hide in, or pass for, a leak.
"""

import struct

from mote.portal import dns, form, request

ADDRESS = b"\xc0\xa8\x04\x01"
_NAME_MAX = 255
_HEAD = 16 * 1024
_LINE = 256
_BODY = 2048
_METHODS = ("GET", "HEAD", "POST")
_STATUSES = (400, 405, 413, 414, 431, 505)
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


def _outcome(data: bytes, size: int) -> "request.Request | None":
    """The request, or None when it is cut."""
    try:
        _request(Stream(data, size)).send(None)
    except StopIteration as done:
        return done.value
    except EOFError:
        return None
    raise AssertionError("waits for more than its stream")


async def _request(stream: Stream) -> request.Request:
    given, begun = await request.read_head(stream)
    if not given.fault:
        await request.read_body(stream, given, begun)
    return given


def check_http(data: bytes) -> None:
    """One request through the parsers of requests and forms, in pieces that its first byte tells.

    Raises AssertionError for a wrong result.
    """
    data, size = data[1:], 1 + 2 * (data[0] if data else 0)
    outcome = _outcome(data, size)
    whole = _outcome(data, 512)
    if outcome is None or whole is None:
        assert outcome is whole, "pieces make no difference"
        return
    for name in ("method", "path", "query", "headers", "body", "fault"):
        assert getattr(outcome, name) == getattr(whole, name), "pieces make no difference"
    _check_host(outcome, data)
    if outcome.fault:
        assert outcome.fault in _STATUSES
        return
    _check_request(outcome, data)
    if outcome.method == "POST":
        check_form(outcome.body)


def _check_host(given: request.Request, data: bytes) -> None:
    """Whatever else is wrong with a request, the host that it asks for is known."""
    expected = None
    seen = False
    for line in data[:_HEAD].split(b"\n")[:-1]:
        if not seen:
            seen = line not in (b"", b"\r")
        elif line in (b"", b"\r"):
            break
        elif expected is None and line[:_LINE].lower().startswith(b"host:"):
            expected = line[:_LINE].strip()[5:].strip()
    name = (expected or b"").split(b":")[0].lower()
    # Another runtime may take other bytes than these for a blank.
    if all(32 < c < 127 for c in name):
        assert given.host == str(name, "ascii"), "the host is known"


def _check_request(given: request.Request, data: bytes) -> None:
    assert given.method in _METHODS
    assert given.method.encode() + b" " in data
    path = given.path.encode()
    assert path in data and b"?" not in path
    assert all(32 < c < 127 for c in path), "no control characters in a path"
    assert all(len(value) <= _LINE for value in given.headers.values())
    assert ":" not in given.host
    assert len(given.body) <= _BODY
    assert len(given.body) == int(given.headers.get("content-length", "0"))
    assert given.body in data


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
