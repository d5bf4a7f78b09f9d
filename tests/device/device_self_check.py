"""The check of the portal's servers by the board itself, over real sockets."""

import asyncio
import socket

import ports
from mote.portal import dns_server, http, self_check

OWN = "127.0.0.1"
DNS_PORT, HTTP_PORT = ports.free(socket.SOCK_DGRAM), ports.free()
# Of a server that answers, on a busy machine; of one that is silent each check takes that long.
PATIENT_MS, SHORT_MS = 30_000, 1_000


async def checks(count, failed, wait_ms=SHORT_MS):
    """What so many checks in a row say."""
    before = dns_server.PORT, http.PORT, self_check.ANSWER_MS
    dns_server.PORT, http.PORT, self_check.ANSWER_MS = DNS_PORT, HTTP_PORT, wait_ms
    try:
        said = []
        for _ in range(count):
            said.append(await self_check.silent(OWN, failed))
        return said
    finally:
        dns_server.PORT, http.PORT, self_check.ANSWER_MS = before


async def test_servers_that_answer_are_never_silent_and_those_that_stop_are_after_two_checks():
    web = http.Server(None, HTTP_PORT)
    names = asyncio.create_task(dns_server.serve("192.168.4.1", DNS_PORT))
    pages = asyncio.create_task(web.serve())
    await asyncio.sleep_ms(50)
    failed = {}
    assert await checks(3, failed, PATIENT_MS) == [[], [], []]
    assert failed == {"DNS": 0, "HTTP": 0}
    names.cancel()
    await asyncio.sleep_ms(20)
    # Both again once two more checks have failed: a restart may not have helped.
    assert await checks(4, failed) == [[], ["DNS"], [], ["DNS"]]
    pages.cancel()
    await asyncio.sleep_ms(20)
    assert await checks(2, failed) == [[], ["DNS", "HTTP"]]


async def test_a_server_that_never_answered_is_not_silent():
    # As on a board that cannot reach itself: restarting would help nobody.
    failed = {}
    assert await checks(3, failed) == [[], [], []]
    assert failed == {}
