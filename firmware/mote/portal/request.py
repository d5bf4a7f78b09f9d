"""Reads one HTTP/1.1 request (RFC 9112) within limits on everything that a client could hold."""

HEAD_MAX = 2048
BODY_MAX = 2048
_PIECE = 512
_METHODS = ("GET", "HEAD", "POST")
# Visible characters that a target may not hold all the same (RFC 3986, 2).
_CONTROLS = tuple(chr(c) for c in range(32)) + (chr(127),)


class Refused(Exception):
    """A request that is not served; `status` says why."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Request:
    """`method`, `path` (without its query), `headers` by lower-case name, `body` bytes."""

    def __init__(self, method, path, headers, body):
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def host(self):
        """The host that was asked for, in lower case and without its port."""
        return self.headers.get("host", "").split(":")[0].lower()


async def read_request(stream):
    """One request. Raises Refused for what breaks the limits or the grammar, EOFError when cut.

    `stream` has `read(count)`, which gives at most that much, and nothing at the end.
    """
    data = b""
    while b"\r\n\r\n" not in data:
        if len(data) >= HEAD_MAX:
            raise Refused(413)
        piece = await stream.read(_PIECE)
        if not piece:
            raise EOFError
        data += piece
    end = data.find(b"\r\n\r\n")
    # The last piece may reach over the limit: how a head was cut must make no difference.
    if end + 4 > HEAD_MAX:
        raise Refused(413)
    request = _head(data[:end])
    length = _length(request.headers)
    body = data[end + 4 :]
    while len(body) < length:
        piece = await stream.read(min(_PIECE, length - len(body)))
        if not piece:
            raise EOFError
        body += piece
    # One request a connection: what follows it is not read.
    request.body = body[:length]
    return request


def _head(data):
    try:
        lines = str(data, "utf-8").split("\r\n")
    except UnicodeError:
        raise Refused(400) from None
    parts = lines.pop(0).split(" ")
    if len(parts) != 3 or not parts[1] or any(c in parts[1] for c in _CONTROLS):
        raise Refused(400)
    if not parts[2].startswith("HTTP/1."):
        raise Refused(505)
    if parts[0] not in _METHODS:
        raise Refused(405)
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        # A name with a space behind it, or a line that is folded, is how requests get smuggled
        # (RFC 9112, 5.1 and 5.2).
        if not colon or not name or name != name.strip():
            raise Refused(400)
        name = name.lower()
        if name in headers and name in ("host", "content-length"):
            raise Refused(400)
        headers[name] = value.strip()
    return Request(parts[0], _path(parts[1]), headers, b"")


def _length(headers):
    length = headers.get("content-length", "0")
    # isdigit alone takes digits of other scripts on some runtimes, and int() huge ones.
    if "transfer-encoding" in headers or not length or len(length) > 9:
        raise Refused(400)
    # MicroPython never frees a character that it walked over in a str: bytes it does.
    if not all(48 <= c <= 57 for c in length.encode()):
        raise Refused(400)
    if int(length) > BODY_MAX:
        raise Refused(413)
    return int(length)


def _path(target):
    """The path of a request target, which a proxy-minded client sends as a whole URL."""
    if target.startswith("http://"):
        target = "/" + target[7:].partition("/")[2]
    return target.partition("?")[0]
