"""A small HTTP/1.1 server (RFC 9112) with limits on everything a client could hold.

`asyncio.start_server` has neither a cap on clients nor a deadline, and spins when sockets run out.
"""

import asyncio
import socket

from mote import log
from mote.portal.waiting import readable

PORT = 80
CLIENTS = 5
DEADLINE_S = 5
LINGER_S = 1
HEAD_MAX = 2048
BODY_MAX = 2048
_PIECE = 512
_REASONS = {
    200: "OK",
    302: "Found",
    303: "See Other",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    422: "Unprocessable Content",
    500: "Internal Server Error",
}


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


class Response:
    """`body` is text, or pieces of text that are made while they are sent."""

    def __init__(self, body="", status=200, kind="text/html; charset=utf-8", location=None):
        self.body = body
        self.status = status
        self.kind = kind
        self.location = location

    def head(self):
        lines = [
            "HTTP/1.1 %d %s" % (self.status, _REASONS[self.status]),
            "Content-Type: " + self.kind,
            "Cache-Control: no-store",
            "Connection: close",
            "X-Content-Type-Options: nosniff",
            "Referrer-Policy: same-origin",
        ]
        if self.location:
            lines.append("Location: " + self.location)
        if isinstance(self.body, str):
            lines.append("Content-Length: %d" % len(self.body.encode()))
        return "\r\n".join(lines) + "\r\n\r\n"


def redirect(location, status=303):
    # Android takes a redirect with four bytes or less for a failed network, not for a portal.
    text = '<!doctype html><title>Mote</title><a href="%s">Set up the board</a>' % location
    return Response(text, status, location=location)


class Server:
    """Serves `handle(request)`, an async function that returns a Response."""

    def __init__(self, handle, port=PORT):
        self._handle = handle
        self._port = port
        self._clients = 0
        self._free = asyncio.Event()

    async def serve(self):
        """Accept for as long as the task lives, at most five clients at a time."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        try:
            listener.bind(socket.getaddrinfo("0.0.0.0", self._port)[0][-1])
            listener.listen(CLIENTS)
            while True:
                while self._clients >= CLIENTS:
                    self._free.clear()
                    await self._free.wait()
                await readable(listener)
                try:
                    client, _ = listener.accept()
                except OSError as error:
                    # No socket left: someone has to finish first.
                    log.debug("http: %r" % error)
                    await asyncio.sleep_ms(100)
                    continue
                client.setblocking(False)
                self._clients += 1
                asyncio.create_task(self._converse(asyncio.StreamReader(client)))
        finally:
            listener.close()

    async def _converse(self, stream):
        try:
            try:
                request = await asyncio.wait_for(read_request(stream), DEADLINE_S)
                response = await self._handle(request)
            except Refused as refused:
                response = Response(_REASONS[refused.status], refused.status)
                await asyncio.wait_for(_send(stream, response), DEADLINE_S)
                await asyncio.wait_for(_take_the_rest(stream), LINGER_S)
            else:
                await asyncio.wait_for(_send(stream, response), DEADLINE_S)
        except (asyncio.TimeoutError, OSError, EOFError) as error:
            log.debug("http: %r" % error)
        except Exception as error:
            log.error("http: %s: %s" % (type(error).__name__, error))
        finally:
            stream.close()
            await stream.wait_closed()
            self._clients -= 1
            self._free.set()


async def read_request(stream):
    """One request. Raises Refused for what breaks the limits or the grammar, EOFError when cut."""
    data = b""
    while b"\r\n\r\n" not in data:
        if len(data) > HEAD_MAX:
            raise Refused(413)
        piece = await stream.read(_PIECE)
        if not piece:
            raise EOFError
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    try:
        lines = str(head, "utf-8").split("\r\n")
    except UnicodeError:
        raise Refused(400) from None
    parts = lines.pop(0).split(" ")
    if len(parts) != 3:
        raise Refused(400)
    if parts[0] not in ("GET", "HEAD", "POST"):
        raise Refused(405)
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Refused(400)
        headers[name.strip().lower()] = value.strip()
    body += await stream.readexactly(_length(headers) - len(body))
    return Request(parts[0], _path(parts[1]), headers, body)


def _length(headers):
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdigit():
        raise Refused(400)
    if int(length) > BODY_MAX:
        raise Refused(413)
    return int(length)


def _path(target):
    """The path of a request target, which a proxy-minded client sends as a whole URL."""
    if target.startswith("http://"):
        target = "/" + target[7:].partition("/")[2]
    return target.partition("?")[0]


async def _take_the_rest(stream):
    """What a refused client still sends: unread, it would make the reset overtake the answer.

    RFC 9112, 9.6; at most 8 KB.
    """
    for _ in range(16):
        if not await stream.read(_PIECE):
            return


async def _send(stream, response):
    head = response.head()
    if isinstance(response.body, str):
        # Head and body in one write: one packet for most answers.
        stream.write((head + response.body).encode())
        await stream.drain()
        return
    stream.write(head.encode())
    for piece in response.body:
        stream.write(piece.encode())
        await stream.drain()
