"""One wrong time server: what a board dates by it. The right ones are chrony (Debian)."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from house_of_one import Home, home
from mote import contract
from motesim.network.ports import free_port
from motesim.network.time_server import TimeServer
from mqtt_ear import Ear, ear

pytestmark = pytest.mark.anyio
YEAR_S = 365 * 86_400
# Debian keeps daemons where a plain user's PATH does not lead.
CHRONYD = shutil.which("chronyd", path="/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/sbin")
FIRST, *OTHERS = contract.NTP_SERVERS


@asynccontextmanager
async def chrony(folder: Path) -> AsyncIterator[tuple[str, int]]:
    """A chronyd that serves the time of this machine, and does not touch its clock (-x)."""
    if not CHRONYD:
        pytest.skip("no chronyd")
    port = free_port()
    file = folder / "chrony.conf"
    file.write_text(
        f"port {port}\ncmdport 0\nbindcmdaddress /\nbindaddress 127.0.0.1\nallow 127.0.0.1\n"
        f"local stratum 3\npidfile {folder}/chrony.pid\ndriftfile {folder}/chrony.drift\n"
    )
    process = await asyncio.create_subprocess_exec(
        CHRONYD, "-d", "-x", "-u", "root", "-f", str(file),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield "127.0.0.1", port
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def wrong_server(place: Home, name: str, ahead_s: float) -> AsyncIterator[None]:
    """Behind `name` is a server whose clock is off."""
    server = TimeServer()
    server.ahead_s = ahead_s
    at = await server.open()
    place.world.add_host(name, "203.0.113.66", {123: at})
    try:
        yield
    finally:
        server.close()


def reached_by(place: Home, at: tuple[str, int] | None) -> None:
    """Every other name leads to `at`, or to nobody."""
    for number, name in enumerate(OTHERS):
        ports = {123: at} if at else {}
        place.world.add_host(name, f"203.0.113.{number + 70}", ports)


def lines(heard: Ear) -> list[str]:
    return [
        line
        for topic, payload in heard.heard
        if topic == contract.backfill_topic("dev")
        for line in payload.splitlines()
    ]


async def backfilled(heard: Ear, since: float) -> None:
    """What was kept has arrived, all of it with a time of this test."""
    await heard.wait_for(lambda topic, _: topic == contract.backfill_topic("dev"), 90)
    times = [int(line.split()[-1]) / 1e9 for line in lines(heard)]
    assert times and all(since - 5 <= at <= time.time() + 5 for at in times), (since, times)


async def log_says(board, text: str) -> None:
    await board.wait_for_log(text, 90)


@pytest.mark.parametrize("ahead_s", [YEAR_S, -YEAR_S // 4, 120])
async def test_a_wrong_first_answer_dates_nothing(tmp_path: Path, ahead_s: float) -> None:
    since = time.time()
    async with (
        home(tmp_path) as place,
        chrony(tmp_path) as right,
        wrong_server(place, FIRST, ahead_s),
    ):
        reached_by(place, right)
        await place.broker.stop()
        board = await place.board()
        await log_says(board, "clock: set by")
        await asyncio.sleep(4)
        await place.broker.start()
        async with ear([], "-p", str(place.broker.port), "-q", "1", "-t", "#") as heard:
            await backfilled(heard, since)


@pytest.mark.parametrize("ahead_s", [YEAR_S, -YEAR_S // 4])
async def test_what_was_dated_wrongly_and_did_not_arrive_is_dated_anew(
    tmp_path: Path, ahead_s: float
) -> None:
    since = time.time()
    async with (
        home(tmp_path) as place,
        chrony(tmp_path) as right,
        wrong_server(place, FIRST, ahead_s),
    ):
        # At first there is the wrong one alone.
        reached_by(place, None)
        await place.broker.stop()
        board = await place.board()
        await log_says(board, "clock: set by " + FIRST)
        await asyncio.sleep(3)
        reached_by(place, right)
        await log_says(board, "is dated anew")
        # A restart in between takes nothing of it back.
        await board.cut_power()
        await place.broker.start()
        async with ear([], "-p", str(place.broker.port), "-q", "1", "-t", "#") as heard:
            await board.power_on()
            await backfilled(heard, since)
