"""The bytes between board and broker: one TCP connection, with TLS where it is asked for."""

import asyncio
import socket

from mote import failure
from mote.failure import Failure

CONNECT_S = 10
WRITE_S = 10
_IPPROTO_TCP = 6
_TCP_NODELAY = 1
# What lwIP (and, in brackets, Linux) raises, by what it means for a person.
_REFUSED = (104, 111)
_UNREACHABLE = (118, 113, 101)

# The last good address of each name: a `.local` name is not always answered.
_known = {}


class Link:
    """An open connection. Every method raises OSError when it is gone, or too slow."""

    def __init__(self, stream):
        self._stream = stream

    async def read(self, count):
        """Exactly `count` bytes; waits as long as it takes."""
        try:
            return await self._stream.readexactly(count)
        except EOFError:
            raise OSError(104) from None

    async def write(self, packet):
        """One packet in one write, so that Nagle's algorithm has nothing to wait for."""
        self._stream.write(packet)
        await _within(WRITE_S, self._stream.drain())

    async def close(self):
        """Close it; a connection that is already gone is fine."""
        try:
            self._stream.close()
            await self._stream.wait_closed()
        except OSError:
            pass


async def connect(host, port, tls, ca, progress):
    """An open `Link`. `progress` is told "name", then "server".

    Raises Failure: NAME_NOT_FOUND, UNREACHABLE, REFUSED, NO_ANSWER, TLS.
    """
    progress("name")
    # A pause lets the portal send its page before a lookup that blocks for seconds.
    await asyncio.sleep_ms(50)
    address = _look_up(host, port)
    progress("server")
    context = _tls_context(ca) if tls else None
    try:
        _, stream = await _within(
            CONNECT_S, asyncio.open_connection(address, port, context, host if tls else None)
        )
    except (OSError, ValueError) as error:
        raise explained(error) from None
    raw = stream.s
    if hasattr(raw, "setsockopt"):
        raw.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
    return Link(stream)


def explained(error):
    """The Failure that a connection's OSError or ValueError stands for."""
    if isinstance(error, ValueError):
        return Failure(failure.TLS, str(error))
    number = error.errno if isinstance(error.errno, int) else 0
    if number in _REFUSED:
        return Failure(failure.REFUSED, str(number))
    if number in _UNREACHABLE:
        return Failure(failure.UNREACHABLE, str(number))
    return Failure(failure.NO_ANSWER, str(number))


def _look_up(host, port):
    try:
        address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0][-1][0]
    except (OSError, IndexError):
        if host not in _known:
            raise Failure(failure.NAME_NOT_FOUND, host) from None
        return _known[host]
    _known[host] = address
    return address


def _tls_context(ca):
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        try:
            context.load_verify_locations(cadata=ca.encode())
        except ValueError as error:
            raise Failure(failure.TLS, "CA certificate: %s" % error) from None
        # The port's default is CERT_NONE: a loaded CA alone would check nothing.
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def _within(seconds, awaitable):
    try:
        return await asyncio.wait_for(awaitable, seconds)
    except asyncio.TimeoutError:
        raise OSError(116) from None
