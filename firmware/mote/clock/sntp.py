"""The time of one server by one exchange of SNTP version 4 (RFC 4330, RFC 5905); times in ms."""

import asyncio
import os
import socket
import struct
from errno import EAGAIN, ETIMEDOUT

from mote.clock import Refused, uptime

PORT = 123

# No leap warning, version 4, mode 3: a client. The answer's mode is 4.
_QUESTION, _SERVER = b"\x23", 4
_SIZE, _PACKET_MAX, _POLL_MS = 48, 128, 5
_ALARM, _STRATUM_MAX = 3, 15
# Seconds from 2000 fit the board's `time` and RTC for 2**31 of them: to January 2068.
_END_MS = (946_684_800 + (1 << 31) - 86_400) * 1000
_UNIX_1900, _ERA = 2_208_988_800, 1 << 32
# A server whose clock ticks coarsely may claim to have held the question longer than we waited.
_COARSE_MS = 20
# The address of the server that answered last: two names may stand for one server.
answered = None
# An empty datagram closes a socket of the ESP32 port for receiving (modsocket.c). A new one asks
# again this often; then whoever sends them keeps us from this server.
_NEW_SOCKETS_MAX = 3


async def ask(host, wait_ms=2000):
    """(unix time at the moment of return, round trip) by the clock of `host`.

    Raises OSError: no such name, no answer in `wait_ms`, or one that is no time; `Refused` is one,
    too. A `.local` name is better given as its address: its lookup stands still for 12 s.
    """
    # Whoever waits for a page gets it before a lookup that stops everything.
    await asyncio.sleep_ms(50)
    found = socket.getaddrinfo(host, PORT, 0, socket.SOCK_DGRAM)
    if not found:
        raise OSError("no such name")
    # Our time of sending comes back in the answer. A random one does as well, says nothing of
    # our clock, and cannot be guessed by somebody who does not see the question.
    ours = os.urandom(8)
    global answered
    first = uptime.ms()
    for _ in range(1 + _NEW_SOCKETS_MAX):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            # A connected socket takes packets from this address and port alone.
            sock.connect(found[0][-1])
            sent = uptime.ms()
            sock.send(_QUESTION + bytes(39) + ours)
            packet = await _answer(sock, ours, first + wait_ms)
            if packet:
                answered = found[0][-1]
                return _time(packet, uptime.ms() - sent)
        finally:
            sock.close()
    raise OSError(ETIMEDOUT)


async def _answer(sock, ours, until):
    """The packet that answers, or b"" when an empty datagram has closed the socket.

    Raises OSError(ETIMEDOUT) at the uptime `until`.
    """
    while True:
        try:
            packet = sock.recv(_PACKET_MAX)
            if not packet:
                return packet
        except OSError as error:
            if error.errno != EAGAIN:
                raise
            packet = b""
        if uptime.ms() > until:
            raise OSError(ETIMEDOUT)
        # Anything else may be a forgery: the true answer can still come.
        if len(packet) >= _SIZE and packet[24:32] == ours and packet[0] & 7 == _SERVER:
            return packet
        await asyncio.sleep_ms(_POLL_MS)


def _time(packet, waited):
    stratum = packet[1]
    if stratum == 0:
        raise Refused("kiss of death %r" % packet[12:16])
    if stratum > _STRATUM_MAX or packet[0] >> 6 == _ALARM:
        raise OSError("the server has no time itself")
    if packet[40:48] == bytes(8):
        raise OSError("no time of sending")
    sent = _unix_ms(packet, 40)
    held = sent - _unix_ms(packet, 32)
    if not 0 <= held <= waited + _COARSE_MS:
        raise OSError("held for %d ms of %d" % (held, waited))
    if sent >= _END_MS:
        raise OSError("a time that the board cannot hold")
    trip = max(waited - held, 0)
    return sent + trip // 2, trip


def _unix_ms(packet, place):
    """An NTP timestamp. The era that began in 2036 has the top bit clear (RFC 4330 section 3)."""
    seconds, fraction = struct.unpack_from("!IH", packet, place)
    if seconds < _ERA >> 1:
        seconds += _ERA
    return (seconds - _UNIX_1900) * 1000 + (fraction * 1000 + 0x8000 >> 16)
