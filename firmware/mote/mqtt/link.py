"""The bytes between board and broker: one TCP connection, with TLS where it is asked for.

Nothing here stands still except the lookup of a name that is not `.local`, which the port only has
as a blocking call.
"""

import asyncio
import select
import socket
import time
from errno import ECONNREFUSED, ECONNRESET, EHOSTUNREACH, EINPROGRESS, ENOTCONN, ETIMEDOUT

from mote import failure
from mote.failure import Failure
from mote.mqtt import known_addresses

CONNECT_MS = 10_000
WRITE_S = 10
_STEP_MS = 20
# Many PUBACKs come in one segment; one read for all of them is one wait instead of many.
_CHUNK = 256
# The numbers of lwIP and of Linux; the unix port has no names for them.
_IPPROTO_TCP = 6
_TCP_NODELAY = 1

# lwIP tells a refused connection as a reset one (err_to_errno, ERR_RST), other stacks by its name.
_REFUSED = (ECONNREFUSED, ECONNRESET)


class Link:
    """An open connection. Every method raises OSError once it is gone or too slow."""

    def __init__(self, sock, stream, ahead=b""):
        self._sock = sock
        self._stream = asyncio.StreamReader(stream)
        self._ahead = ahead
        self._turn = asyncio.Lock()
        self._closed = False

    async def read_exactly(self, count):
        """`count` bytes, however long they take. Raises OSError(ECONNRESET) at the end."""
        while len(self._ahead) < count:
            # Polling a closed socket would wait for ever.
            if self._closed:
                raise OSError(ENOTCONN)
            more = await self._stream.read(max(_CHUNK, count - len(self._ahead)))
            if not more:
                raise OSError(ECONNRESET)
            self._ahead += more
        data, self._ahead = self._ahead[:count], self._ahead[count:]
        return data

    async def write(self, packet):
        """Send a packet whole, in one write, so that Nagle's algorithm has nothing to wait for.

        Raises OSError(ETIMEDOUT) after 10 s. After an error the stream is of no use: a part of the
        packet may be out.
        """
        async with self._turn:
            if self._closed:
                raise OSError(ENOTCONN)
            # Mostly it goes out at once; a time-out costs a task, so it is for the rest only.
            sent = self._stream.s.write(packet) or 0
            if sent < len(packet):
                self._stream.write(packet[sent:])
                await within(WRITE_S, self._stream.drain())

    def close(self):
        """Close both layers; a connection that is already gone is fine."""
        self._closed = True
        # A TLS layer that fails in its farewell would leave the socket open: ten is all there are.
        for layer in (self._stream.s, self._sock):
            try:
                layer.close()
            except OSError:
                pass


async def connect(host, port, tls=False, ca="", progress=lambda step: None):
    """An open `Link`. `progress` is told "name", then "server", then "login".

    Raises Failure: NAME_NOT_FOUND, UNREACHABLE, REFUSED, NO_ANSWER, TLS. The TLS handshake is done
    by the first write, which raises what `tls.explained` explains.
    """
    progress("name")
    # Whoever waits for a page gets it before a lookup that stops everything.
    await asyncio.sleep_ms(50)
    address = await _look_up(host, port)
    progress("server")
    if tls:
        from mote.mqtt import tls as layer

        if ca:
            layer.want_clock()
    sock = _socket()
    try:
        ahead = await _connected(sock, address)
        progress("login")
        return Link(sock, layer.secured(sock, host, ca) if tls else sock, ahead)
    except BaseException:
        sock.close()
        raise


async def within(seconds, awaitable):
    """Its result. Raises OSError(ETIMEDOUT) when it is not there in time."""
    try:
        return await asyncio.wait_for(awaitable, seconds)
    except asyncio.TimeoutError:
        raise OSError(ETIMEDOUT) from None


def server_failure(error):
    """The Failure that an OSError on the way to a server stands for."""
    if error.errno in _REFUSED:
        return Failure(failure.REFUSED, "errno %s" % error.errno)
    if error.errno == EHOSTUNREACH:
        return Failure(failure.UNREACHABLE, "errno %s" % error.errno)
    return Failure(failure.NO_ANSWER, "errno %s" % error.errno)


async def _look_up(host, port):
    try:
        # The port's own lookup of a `.local` name stands still for 12 s when nobody answers.
        found = await _resolved(host) if host.lower().endswith(".local") else host
        address = socket.getaddrinfo(found, port, 0, socket.SOCK_STREAM)[0][-1] if found else None
    except (OSError, IndexError):
        address = None
    if address is None:
        address = known_addresses.get((host, port))
        if address is None:
            raise Failure(failure.NAME_NOT_FOUND, host)
        return address
    # A board has one server; while it is being set up, it may try some.
    if len(known_addresses) > 3:
        known_addresses.clear()
    known_addresses[(host, port)] = address
    return address


def _socket():
    try:
        return socket.socket()
    except OSError as error:
        # All ten sockets of the port are open.
        raise server_failure(error) from None


async def _connected(sock, address):
    """Wait for the connection; the byte that a talkative server has already sent, if any."""
    sock.setblocking(False)
    try:
        sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
        try:
            sock.connect(address)
        except OSError as error:
            if error.errno != EINPROGRESS:
                raise
        poller = select.poll()
        poller.register(sock, select.POLLOUT)
        started = time.ticks_ms()
        while not poller.poll(0):
            if time.ticks_diff(time.ticks_ms(), started) > CONNECT_MS:
                raise OSError(ETIMEDOUT)
            await asyncio.sleep_ms(_STEP_MS)
        # The port has no getsockopt: reading tells whether the connection is there.
        return sock.read(1) or b""
    except OSError as error:
        raise server_failure(error) from None


async def _resolved(host):
    from mote.mqtt import mdns

    return await mdns.resolve(host)
