"""A small HTTP/1.1 server: a few clients at a time, a bound on what each takes, one answer each.

`asyncio.start_server` has neither a cap on clients nor a deadline, and spins when sockets run out.
Every answer says its length, so that a client notices one that was cut.
"""

import asyncio
import socket
import time
from errno import ETIMEDOUT

from mote import log, memory, tasks
from mote.portal.request import Refused, read_body, read_head
from mote.portal.waiting import readable

PORT = 80
CLIENTS = 5
# Pages that are sent at the same time; one that is unpacked while it is sent is sent alone.
PAGES = 2
DEADLINE_S = 5
LINGER_S = 1
# A client that is sent something has to acknowledge some of it within this: what the network
# takes over is what has room in its buffer of 5,760 bytes (lwIP's default in ESP-IDF).
STALL_MS = 5_000
SEND_MS = 30_000
# Others wait this long for their turn before they are told to come again.
TURN_MS = 4_000
# A client that still has to send its request makes room for those who wait after this.
SILENT_MS = 1_500
# Below this a page would take the memory that the network needs to send at all.
NETWORK_LEAST = 8 * 1024
_STEP_MS = 20
_PIECE = 256
# Half of what fits a segment of TCP: more in one write is fewer packets, and a heap in pieces may
# have no larger one.
_SEGMENT = 720
# The page needs its own lines and nothing else: what was entered cannot add any.
_HEADERS = (
    "Cache-Control: no-store\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: same-origin\r\nContent-Security-Policy: default-src 'none'; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'\r\n"
)


# Made before there is no memory for it.
_BUSY_BODY = b"<!doctype html><meta http-equiv=refresh content='2;url=./'><title>Mote</title>..."
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Type: text/html\r\n"
    b"Cache-Control: no-store\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
) % (len(_BUSY_BODY), _BUSY_BODY)
_SINK = bytearray(64)


class Response:
    """`body` is text, or a page: pieces of bytes that are made while they are sent, `length` in
    all, packed by gzip where `packed`.
    """

    def __init__(
        self,
        body="",
        status=200,
        kind="text/html; charset=utf-8",
        location=None,
        packed=False,
        length=None,
    ):
        self.body = (body.encode(),) if length is None else body
        self.status = status
        self.kind = kind
        self.location = location
        self.packed = packed
        self.length = len(self.body[0]) if length is None else length
        # Whether some of it is out.
        self.begun = False

    def head(self):
        """Status line and headers, as text."""
        text = "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%sContent-Length: %d\r\n" % (
            self.status, _reason(self.status), self.kind, _HEADERS, self.length
        )  # fmt: skip
        if self.location:
            text += "Location: %s\r\n" % self.location
        if self.packed:
            text += "Content-Encoding: gzip\r\n"
        return text + "\r\n"


def _reason(status):
    # Clients ignore it (RFC 9112, 4): the classes are enough, and take less memory than a table.
    return ("OK", "See Other", "Refused", "Error")[status // 100 - 2]


def redirect(location, status=303):
    """Leads to `location`."""
    # Android takes a redirect with four bytes or less for a failed network, not for a portal.
    text = '<!doctype html><title>Mote</title><a href="%s">Set up the board</a>' % location
    return Response(text, status, location=location)


class Server:
    """Serves `handle(request)`, an async function that returns a Response.

    `elsewhere(request)` gives the Response to a request that is for another host, whatever else is
    wrong with it, or None. At most `clients` are served at a time, the others wait for their turn,
    and are told to come again when it takes too long; `idle()` is called when the last one is gone.
    It listens on `address`; a client whose own address `admits(peer)` refuses gets no answer.
    """

    def __init__(
        self,
        handle,
        port=PORT,
        clients=CLIENTS,
        idle=None,
        elsewhere=lambda request: None,
        address="0.0.0.0",
        admits=None,
    ):
        self._handle = handle
        self._address = address
        self._admits = admits
        self._port = port
        self._most = clients
        self._idle = idle
        self._elsewhere = elsewhere
        self._clients = 0
        # Beside running there is memory for one.
        self._most_pages = min(PAGES, clients - 1)
        self._pages = 0
        # Who still has to send a request: the task, and since when.
        self._reading = {}
        # Requests in a row that there was no memory for.
        self.starved = 0

    @property
    def busy(self):
        """True while a client is there."""
        return self._clients > 0

    async def serve(self):
        """Accept for as long as the task lives."""
        while True:
            listener = None
            try:
                listener = socket.socket()
                await self._accept_all(listener)
            except Exception as error:
                log.error("http: %s: %s: the server starts again" % (type(error).__name__, error))
                await asyncio.sleep_ms(500)
            finally:
                if listener:
                    listener.close()

    async def _accept_all(self, listener):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind(socket.getaddrinfo(self._address, self._port)[0][-1])
        listener.listen(CLIENTS)
        while True:
            await readable(listener)
            if not self._accept(listener, await self._turn(self._has_room)):
                # No socket or no memory left: someone has to finish first.
                await asyncio.sleep_ms(100)

    async def _turn(self, has_room):
        """Wait until `has_room()`; False when that takes too long."""
        started = time.ticks_ms()
        while not has_room():
            if time.ticks_diff(time.ticks_ms(), started) > TURN_MS:
                return False
            await asyncio.sleep_ms(_STEP_MS)
        return True

    def _has_room(self):
        if self._clients < self._most:
            return True
        now = time.ticks_ms()
        for task, since in self._reading.items():
            if time.ticks_diff(now, since) > SILENT_MS:
                task.cancel()
        return False

    def _accept(self, listener, has_room):
        # A call of its own: the frame of `serve` goes on, and would keep the conversation, its page
        # with it, where nothing overwrites it until the next one comes.
        client = None
        try:
            client, peer = listener.accept()
            client.setblocking(False)
            if self._admits and not self._admits(peer[0]):
                client.close()
                return True
            if has_room:
                tasks.start(self._converse(asyncio.StreamReader(client), peer[0]))
                self._clients += 1
                return True
        except (OSError, MemoryError) as error:
            log.debug("http: %r" % error)
            has_room = True
        if client:
            _say_busy(client)
            client.close()
        return not has_room

    async def _converse(self, stream, peer):
        response = None
        try:
            request, response, unread = await self._request(stream, peer)
            if response is None:
                response = await self._handled(request)
            if await self._send_in_turn(stream.s, request, response):
                self.starved = 0
            if unread:
                await tasks.within(LINGER_S, _take_the_rest(stream))
        except (asyncio.TimeoutError, OSError, EOFError) as error:
            log.debug("http: %r" % error)
        except MemoryError as error:
            # Beside running it may be short for a moment: the page comes again by itself.
            log.warning("http: %r" % error)
            self.starved += 1
            if not (response and response.begun):
                _say_busy(stream.s)
        except Exception as error:
            log.error("http: %s: %s" % (type(error).__name__, error))
        finally:
            stream.s.close()
            response = None
            self._reading.pop(asyncio.current_task(), None)
            self._clients -= 1
            if self._idle and not self._clients:
                self._idle()

    async def _request(self, stream, peer):
        """A request; the answer to one whose body is not read; whether something is left unread."""
        self._reading[asyncio.current_task()] = time.ticks_ms()
        request, begun = await tasks.within(DEADLINE_S, read_head(stream))
        request.peer = peer
        response = self._elsewhere(request)
        if response is None and request.fault:
            response = _refusal(request.fault)
        unread = False
        if response is None:
            await tasks.within(DEADLINE_S, read_body(stream, request, begun))
        else:
            unread = request.fault or begun or "content-length" in request.headers
        del self._reading[asyncio.current_task()]
        return request, response, unread

    async def _handled(self, request):
        try:
            return await self._handle(request)
        except Refused as refused:
            return _refusal(refused.status)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            log.error("http: %s: %s" % (type(error).__name__, error))
            return _refusal(500)

    async def _send_in_turn(self, sock, request, response):
        if request.method == "HEAD":
            response.body = ()
        if isinstance(response.body, tuple):
            await _send(sock, response)
            return True
        weight = 1 if response.packed else self._most_pages
        if not await self._turn(lambda: self._has_page(weight)):
            _say_busy(sock)
            return False
        self._pages += weight
        try:
            await _send(sock, response)
        finally:
            self._pages -= weight
        return True

    def _has_page(self, weight):
        return self._pages + weight <= self._most_pages and memory.beside()[0] >= NETWORK_LEAST


def _refusal(status):
    return Response("%d %s" % (status, _reason(status)), status)


def _say_busy(sock):
    """Tell a client to come again; what it has sent is taken first, or a reset overtakes that."""
    try:
        while sock.readinto(_SINK):
            pass
        sock.write(_BUSY)
    except OSError:
        pass


async def _take_the_rest(stream):
    """What a refused client still sends: unread, it would make the reset overtake the answer.

    RFC 9112, 9.6; at most 8 KB.
    """
    for _ in range(32):
        if not await stream.read(_PIECE):
            return


async def _send(sock, response):
    """Send a response through one small buffer. Raises OSError when the client takes no more."""
    buffer = bytearray(_SEGMENT)
    view = memoryview(buffer)
    used = 0
    started = time.ticks_ms()
    for piece in _pieces(response):
        while piece:
            count = min(len(piece), _SEGMENT - used)
            buffer[used : used + count] = piece[:count]
            used += count
            if used == _SEGMENT:
                response.begun = True
                await _write(sock, view, started)
                used = 0
            piece = piece[count:]
    response.begun = True
    await _write(sock, view[:used], started)


def _pieces(response):
    yield response.head().encode()
    for piece in response.body:
        yield piece


async def _write(sock, view, started):
    """Write all of `view`, as the client acknowledges what is before it."""
    moved = time.ticks_ms()
    while view:
        sent = sock.write(view) or 0
        view = view[sent:]
        now = time.ticks_ms()
        if sent:
            moved = now
        elif time.ticks_diff(now, moved) > STALL_MS or time.ticks_diff(now, started) > SEND_MS:
            raise OSError(ETIMEDOUT)
        # Each piece is a turn: nobody waits for somebody else's page.
        await asyncio.sleep_ms(0 if sent else _STEP_MS)
