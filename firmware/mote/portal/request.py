"""Reads one HTTP/1.1 request (RFC 9112) within limits on everything that a client could hold.

A line that is not needed is passed over while it comes in, whatever is in it; of one that is needed
the beginning is kept. So a request takes little memory, however large its cookies are.
"""

HEAD_MAX = 16 * 1024
BODY_MAX = 2048
_LINE_MAX = 256
_PIECE = 256
_METHODS = ("GET", "HEAD", "POST")
_NEEDED = (
    "host",
    "origin",
    "accept-encoding",
    "accept-language",
    "content-length",
    "transfer-encoding",
)
# What a second one of would leave open which of them counts (RFC 9112, 3.2 and 6.3).
_ONCE = ("host", "content-length")


class Refused(Exception):
    """A request that is not served; `status` says why."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Request:
    """`method`, `path` (without its query), `query`, `headers` that are needed by lower-case name,
    `body` bytes; `fault`: the status it is refused with, or 0. `peer` is the address of the client,
    `base` the path below which it finds the portal.
    """

    def __init__(self, method="", path="", headers=None, body=b"", fault=0, query=""):
        self.method = method
        self.path = path
        self.query = query
        self.headers = {} if headers is None else headers
        self.body = body
        self.fault = fault
        self.peer = ""
        self.base = "/"

    @property
    def host(self):
        """The host that was asked for, in lower case and without its port."""
        return self.headers.get("host", "").split(":")[0].lower()


async def read_head(stream):
    """The head of one request, and what came behind it. Raises EOFError when it is cut.

    What breaks the limits or the grammar is the `fault` of the request: who asks for another host
    is redirected all the same. `stream` has `read(count)`, which gives at most that much, and
    nothing at the end.
    """
    request = Request()
    line = bytearray()
    total = 0
    while True:
        data = await stream.read(_PIECE)
        if not data:
            raise EOFError
        start = 0
        while start < len(data):
            end = data.find(b"\n", start)
            stop = len(data) if end < 0 else end
            total += stop - start + (end >= 0)
            if total > HEAD_MAX:
                request.fault = 431
                return request, b""
            line.extend(data[start : min(stop, start + _LINE_MAX - len(line))])
            start = stop + 1
            if end < 0:
                break
            text = bytes(line[:-1] if line and line[-1] == 13 else line)
            # An empty line before the first is passed over (RFC 9112, 2.2).
            if not text and request.method:
                request.fault = request.fault or _fault_of_length(request)
                return request, data[start:]
            if text:
                _take(request, text, len(line) >= _LINE_MAX)
            line = bytearray()


async def read_body(stream, request, begun):
    """Read the body of `request`, of which `begun` is there already. Raises EOFError when cut.

    One request a connection: what follows it is not read.
    """
    length = int(request.headers.get("content-length", "0"))
    body = bytearray(length)
    at = min(len(begun), length)
    body[:at] = begun[:at]
    while at < length:
        piece = await stream.read(min(_PIECE, length - at))
        if not piece:
            raise EOFError
        body[at : at + len(piece)] = piece
        at += len(piece)
    request.body = bytes(body)


def _take(request, line, cut):
    """One line of the head; `cut` when only its beginning was kept."""
    if not request.method:
        _take_first(request, line, cut)
        return
    name, colon, value = line.partition(b":")
    # A name with a space behind it, or a line that is folded, is how requests get smuggled
    # (RFC 9112, 5.1 and 5.2).
    if not colon or not name or name != name.strip():
        # The colon of a name that is not needed may be in what was not kept.
        request.fault = request.fault or (0 if cut else 400)
        return
    name = _text(name).lower()
    if name not in _NEEDED:
        return
    if name in request.headers and name in _ONCE:
        request.fault = request.fault or 400
        return
    request.headers[name] = _text(value.strip())


def _take_first(request, line, cut):
    parts = line.split(b" ")
    request.method = _text(parts[0]) or "?"
    if cut:
        request.fault = 414
    elif len(parts) != 3 or not parts[1] or not all(32 < c < 127 for c in parts[1]):
        request.fault = 400
    elif not parts[2].startswith(b"HTTP/1."):
        request.fault = 505
    elif request.method not in _METHODS:
        request.fault = 405
    if len(parts) > 1:
        request.path, request.query = _path(_text(parts[1]))


def _text(data):
    if data and max(data) > 127:
        data = bytes(c if c < 128 else 63 for c in data)
    return str(data, "ascii")


def _fault_of_length(request):
    length = request.headers.get("content-length", "0")
    # isdigit alone takes digits of other scripts on some runtimes, and int() huge ones.
    if "transfer-encoding" in request.headers or not length or len(length) > 9:
        return 400
    if not all(48 <= c <= 57 for c in length.encode()):
        return 400
    return 413 if int(length) > BODY_MAX else 0


def _path(target):
    """Path and query of a request target, which a proxy-minded client sends as a whole URL."""
    if target.startswith("http://"):
        target = "/" + target[7:].partition("/")[2]
    path, _, query = target.partition("?")
    return path, query
