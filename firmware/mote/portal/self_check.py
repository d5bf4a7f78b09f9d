"""Asks the board's own servers, as a phone would. Loaded for a check, and forgotten."""

import asyncio
import select
import socket
import time
from errno import EINPROGRESS

from mote import log
from mote.portal import dns_server, http

ANSWER_MS = 3_000
# One check without an answer may be a moment without memory.
FAILED = 2
_STEP_MS = 20
# A name that nobody has (RFC 6761, 6.4).
_QUESTION = b"\0\1\1\0\0\1\0\0\0\0\0\0\7invalid\0\0\1\0\1"


async def silent(address, failed):
    """Names of the servers at `address` that did not answer in two checks in a row.

    `failed` is a dict that is kept between checks. A server counts from the first check on that it
    answers: where a board cannot reach itself, none is silent.
    """
    found = []
    for name, check in (("DNS", _name_server_answers), ("HTTP", _web_server_answers)):
        try:
            answers = await check(address)
        except (OSError, MemoryError, asyncio.TimeoutError) as error:
            log.debug("portal: check: %r" % error)
            answers = False
        if answers:
            failed[name] = 0
        elif name in failed:
            failed[name] += 1
            if failed[name] >= FAILED:
                failed[name] = 0
                found.append(name)
    return found


async def _name_server_answers(address):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.sendto(_QUESTION, socket.getaddrinfo(address, dns_server.PORT)[0][-1])
        await _ready(sock, select.POLLIN)
        return len(sock.recv(64)) > len(_QUESTION)
    finally:
        sock.close()


async def _web_server_answers(address):
    """A line that the server refuses is enough: that is an answer."""
    sock = socket.socket()
    try:
        sock.setblocking(False)
        try:
            sock.connect(socket.getaddrinfo(address, http.PORT)[0][-1])
        except OSError as error:
            if error.errno != EINPROGRESS:
                raise
        await _ready(sock, select.POLLOUT)
        sock.write(b"?\r\n\r\n")
        await _ready(sock, select.POLLIN)
        return (sock.read(8) or b"").startswith(b"HTTP/1.")
    finally:
        sock.close()


async def _ready(sock, event):
    """Wait until `sock` is ready. Raises asyncio.TimeoutError."""
    poller = select.poll()
    poller.register(sock, event)
    started = time.ticks_ms()
    while not poller.poll(0):
        if time.ticks_diff(time.ticks_ms(), started) > ANSWER_MS:
            raise asyncio.TimeoutError
        await asyncio.sleep_ms(_STEP_MS)
