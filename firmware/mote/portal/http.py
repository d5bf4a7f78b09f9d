"""A small HTTP/1.1 server: a few clients at a time, a deadline for each, one answer a connection.

`asyncio.start_server` has neither a cap on clients nor a deadline, and spins when sockets run out.
"""

import asyncio
import socket

from mote import log, tasks
from mote.portal.request import Refused, read_request
from mote.portal.waiting import readable

PORT = 80
CLIENTS = 5
DEADLINE_S = 5
LINGER_S = 1
_PIECE = 512
# Half of what fits a segment of TCP: more in one write is fewer packets, and a heap in pieces may
# have no larger one.
_SEGMENT = 720
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
    505: "HTTP Version Not Supported",
}
# The page needs its own lines and nothing else: what was entered cannot add any.
_HEADERS = (
    "Cache-Control: no-store\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: same-origin\r\nContent-Security-Policy: default-src 'none'; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'\r\n"
)


_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: text/html\r\n"
    b"Connection: close\r\n\r\n<meta http-equiv=refresh content='1;url=/'>"
)


class Response:
    """`body` is text, or pieces of bytes that are made while they are sent, `packed` by gzip."""

    def __init__(
        self, body="", status=200, kind="text/html; charset=utf-8", location=None, packed=False
    ):
        self.body = body
        self.status = status
        self.kind = kind
        self.location = location
        self.packed = packed
        # Whether some of it is out.
        self.begun = False

    def head(self):
        """Status line and headers, as text."""
        text = "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%s" % (
            self.status, _REASONS[self.status], self.kind, _HEADERS
        )  # fmt: skip
        if self.location:
            text += "Location: %s\r\n" % self.location
        if self.packed:
            text += "Content-Encoding: gzip\r\n"
        if isinstance(self.body, str):
            text += "Content-Length: %d\r\n" % len(self.body.encode())
        return text + "\r\n"


def redirect(location, status=303):
    """Leads to `location`."""
    # Android takes a redirect with four bytes or less for a failed network, not for a portal.
    text = '<!doctype html><title>Mote</title><a href="%s">Set up the board</a>' % location
    return Response(text, status, location=location)


class Server:
    """Serves `handle(request)`, an async function that returns a Response.

    At most `clients` at a time, the others wait; `idle()` is called when the last one is gone.
    """

    def __init__(self, handle, port=PORT, clients=CLIENTS, idle=lambda: None):
        self._handle = handle
        self._port = port
        self._most = clients
        self._idle = idle
        self._clients = 0
        # Requests in a row that there was no memory for.
        self.starved = 0
        self._free = asyncio.Event()

    async def serve(self):
        """Accept for as long as the task lives."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        try:
            listener.bind(socket.getaddrinfo("0.0.0.0", self._port)[0][-1])
            listener.listen(CLIENTS)
            while True:
                while self._clients >= self._most:
                    self._free.clear()
                    await self._free.wait()
                await readable(listener)
                if not self._accept(listener):
                    # No socket left: someone has to finish first.
                    await asyncio.sleep_ms(100)
        finally:
            listener.close()

    def _accept(self, listener):
        # A call of its own: the frame of `serve` goes on, and would keep the conversation, its page
        # with it, where nothing overwrites it until the next one comes.
        try:
            client, _ = listener.accept()
        except OSError as error:
            log.debug("http: %r" % error)
            return False
        client.setblocking(False)
        self._clients += 1
        tasks.start(self._converse(asyncio.StreamReader(client)))
        return True

    async def _converse(self, stream):
        response = None
        try:
            try:
                request = await tasks.within(DEADLINE_S, read_request(stream))
                response = await self._handle(request)
            except Refused as refused:
                response = Response(_REASONS[refused.status], refused.status)
                await tasks.within(DEADLINE_S, _send(stream, response))
                await tasks.within(LINGER_S, _take_the_rest(stream))
            else:
                whole = request.method != "HEAD"
                await tasks.within(DEADLINE_S, _send(stream, response, whole))
                self.starved = 0
        except (asyncio.TimeoutError, OSError, EOFError) as error:
            log.debug("http: %r" % error)
        except MemoryError as error:
            # Beside running it may be short for a moment: the page comes again by itself.
            log.warning("http: %r" % error)
            self.starved += 1
            if not (response and response.begun):
                try:
                    stream.s.write(_BUSY)
                except OSError:
                    pass
        except Exception as error:
            log.error("http: %s: %s" % (type(error).__name__, error))
        finally:
            stream.close()
            await stream.wait_closed()
            response = None
            self._clients -= 1
            if not self._clients:
                self._idle()
            self._free.set()


async def _take_the_rest(stream):
    """What a refused client still sends: unread, it would make the reset overtake the answer.

    RFC 9112, 9.6; at most 8 KB.
    """
    for _ in range(16):
        if not await stream.read(_PIECE):
            return


async def _send(stream, response, whole=True):
    waiting = bytearray(response.head().encode())
    body = (response.body.encode(),) if isinstance(response.body, str) else response.body
    for piece in body if whole else ():
        if len(waiting) + len(piece) > _SEGMENT:
            response.begun = True
            stream.write(waiting)
            await stream.drain()
            waiting = bytearray()
        waiting.extend(piece)
    response.begun = True
    stream.write(waiting)
    await stream.drain()
