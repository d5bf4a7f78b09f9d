"""No time server makes an expired certificate good: a whole board, a real mosquitto.

The certificates are made by `cryptography`; Mosquitto (OpenSSL) shows them, mbed TLS in MicroPython
judges them. The time servers of the test tell a time at which the certificate was valid.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from house_of_one import SERVER, home
from mote import contract
from motesim.board import VirtualBoard
from motesim.network.time_server import TimeServer

sys.path.append(str(Path(__file__).parents[1] / "mqtt"))

from authority import DAY, NOW, Authority

pytestmark = pytest.mark.anyio
YEAR = 365 * DAY


@asynccontextmanager
async def board_at(folder: Path, *, ahead_s: float, expired: bool) -> AsyncIterator[VirtualBoard]:
    """A board whose server has a certificate of its CA, and whose time servers are off alike."""
    authority = Authority("the home's own CA", since=NOW - 4 * YEAR)
    until = NOW - YEAR if expired else NOW + DAY
    certificate = authority.issue(SERVER, folder, until, since=NOW - 3 * YEAR)
    options = f"allow_anonymous true\n{certificate}"
    server = TimeServer()
    server.ahead_s = ahead_s
    at = await server.open()
    try:
        async with home(folder, options) as place:
            for number, name in enumerate(contract.NTP_SERVERS):
                place.world.add_host(name, f"203.0.113.{number + 70}", {123: at})
            yield await place.board(mqtt={"host": SERVER, "tls": True, "ca": authority.pem})
    finally:
        server.close()


async def test_the_right_time_lets_a_valid_certificate_in(tmp_path: Path) -> None:
    async with board_at(tmp_path, ahead_s=0, expired=False) as board:
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)


async def test_the_right_time_shows_that_a_certificate_is_expired(tmp_path: Path) -> None:
    async with board_at(tmp_path, ahead_s=0, expired=True) as board:
        await board.wait_for_log("expired", 60)
        assert not any(contract.LOG_CONNECTED in line for line in board.log)


async def test_a_time_at_which_it_was_valid_makes_no_expired_certificate_good(
    tmp_path: Path,
) -> None:
    async with board_at(tmp_path, ahead_s=-1.5 * YEAR.total_seconds(), expired=True) as board:
        await board.wait_for_log("a time server is behind the time of this firmware", 60)
        # It tries again, and is told the same.
        since = len(board.log)
        await board.wait_for_log("a time server is behind the time of this firmware", 120, since)
        assert not any(contract.LOG_CONNECTED in line for line in board.log)
