"""The name server of the board's own network: every name is the board."""

import socket

from mote import log
from mote.portal import dns
from mote.portal.waiting import readable

PORT = 53


async def serve(address, port=PORT):
    """Answer for as long as the task lives; `address` is dotted decimal."""
    packed = bytes(int(part) for part in address.split("."))
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        sock.bind(socket.getaddrinfo("0.0.0.0", port)[0][-1])
        while True:
            await readable(sock)
            try:
                packet, sender = sock.recvfrom(dns.PACKET_MAX + 1)
                response = dns.answer(packet, packed)
                if response:
                    sock.sendto(response, sender)
            except OSError as error:
                # A phone that left before its answer is no reason to stop.
                log.debug("dns: %r" % error)
    finally:
        sock.close()
