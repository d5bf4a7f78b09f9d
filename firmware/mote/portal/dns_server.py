"""The name server of the board's own network: every name is the board."""

import asyncio
import socket

from mote import log
from mote.portal import dns
from mote.portal.waiting import readable

PORT = 53
_RETRY_MS = 500


async def serve(address, port=PORT, host="0.0.0.0", admits=None):
    """Answer for as long as the task lives; `address` is dotted decimal.

    It listens on `host`; questions from an address that `admits(peer)` refuses get no answer.
    """
    packed = bytes(int(part) for part in address.split("."))
    while True:
        sock = None
        try:
            sock = _bound(host, port)
            await _answer_until_closed(sock, packed, admits)
        except Exception as error:
            log.error("dns: %s: %s: the server starts again" % (type(error).__name__, error))
            await asyncio.sleep_ms(_RETRY_MS)
        finally:
            if sock:
                sock.close()


def _bound(host, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.bind(socket.getaddrinfo(host, port)[0][-1])
        return sock
    except OSError:
        sock.close()
        raise


async def _answer_until_closed(sock, address, admits):
    """Answer questions; return when an empty datagram has closed the socket for receiving.

    The ESP32 port takes a receive of 0 bytes for the end of a connection, on UDP as well: every
    later receive returns empty at once (modsocket.c).
    """
    while True:
        await readable(sock)
        try:
            packet, sender = sock.recvfrom(dns.PACKET_MAX + 1)
            if not packet:
                return
            response = dns.answer(packet, address)
            if response and (admits is None or admits(sender[0])):
                sock.sendto(response, sender)
        except (OSError, MemoryError) as error:
            # A phone that left before its answer, or a moment without memory: no reason to stop.
            log.debug("dns: %r" % error)
            await asyncio.sleep_ms(1)
