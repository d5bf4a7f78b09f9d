"""The portal beside running has room: it serves phones, and every reading is kept meanwhile."""

import asyncio
import re
import sys
from pathlib import Path

import pytest
from mote import contract

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "tests" / "running"), str(ROOT / "tests" / "portal")]

from board_in_setup import ask, hidden  # noqa: E402
from house_of_one import home  # noqa: E402
from motesim import BoardSpec  # noqa: E402
from motesim.parts import Bme280  # noqa: E402
from walked import Walk, hurried  # noqa: E402

pytestmark = pytest.mark.anyio
PHONE = {"Accept_Encoding": "gzip"}
FORM = b"id=dev&ssid=home&password=&host=mqtt.local&port=1883&interval=1"


async def visit(board, path: str = "/", *request, **headers: str):
    """The answer; a page may say that it comes by itself in a second, as to a phone."""
    for _ in range(20):
        answer = await ask(board, path, *request, **PHONE, **headers)
        if answer.status != 503:
            break
        assert b"refresh" in answer.body
        # What a phone does then.
        await asyncio.sleep(1)
    return answer


def settings(place) -> dict:
    wifi = {"ssid": place.wifi.ssid, "password": place.wifi.password}
    return {
        "version": 1, "id": "dev", "interval": 1, "mqtt": {"host": "mqtt.local"}, "wifi": [wifi],
    }  # fmt: skip


async def test_after_a_connection_the_portal_serves_phones_and_no_reading_is_dropped(
    tmp_path: Path,
) -> None:
    async with home(tmp_path) as place:
        spec = BoardSpec(
            "dev", config=settings(place), firmware=hurried(tmp_path), parts=[Bme280()]
        )
        board = await place.world.add_board(spec)
        await board.power_on()
        w = Walk(place.world, place.wifi, board, settings(place), place.broker)
        await w.sees(contract.LOG_FIRST_READING, "clock: set by")
        place.world.switch(place.wifi, up=False)
        await w.sees(contract.LOG_SETUP)
        for _ in range(4):
            assert (await visit(board)).status == 200
        page = (await visit(board)).body
        form = b"token=" + hidden(page) + b"&" + FORM
        assert (await visit(board, "/save", form)).status == 303
        assert (await visit(board, "/progress")).status == 200
        await w.sees("trial: the WiFi network was not found")
        assert b"not found" in (await visit(board, "/status")).body
        place.world.switch(place.wifi, up=True)
        await w.sees("portal closes", contract.LOG_CONNECTED)
        assert not [line for line in board.log if line.startswith("E ")], board.log
        assert sum(bool(re.search(r"I \d+ mote ", line)) for line in board.log) == 1
