"""A configuration that is cut, empty or wrong leads to the portal, never to a crash loop."""

import asyncio
import json
import urllib.request

import pytest
from mote import contract
from motesim import BoardSpec, World

GOOD = json.dumps(
    {"version": 1, "id": "plant1", "wifi": [{"ssid": "Home"}], "mqtt": {"host": "mqtt.local"}}
)
DAMAGED = {
    "empty": b"",
    "cut in the middle": GOOD[: len(GOOD) // 2].encode(),
    "no JSON": b"\xff\xfe\x00 not json",
    "a list": b"[]",
    "no network": b'{"version":1,"id":"plant1","wifi":[],"mqtt":{"host":"h"}}',
    "an id with a slash": GOOD.replace("plant1", "pl/nt").encode(),
    "from the future": GOOD.replace('"version": 1', '"version": 9').encode(),
    "nested too deep": b"[" * 500,
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_the_portal_opens_and_says_what_happened(kind: str) -> None:
    async def walk() -> None:
        async with World() as world:
            board = await world.add_board(BoardSpec("board"))
            board.flash.write("config.json", DAMAGED[kind])
            await board.power_on()
            await board.wait_for_log(contract.LOG_SETUP, 60)
            page = await asyncio.to_thread(lambda: urllib.request.urlopen(board.portal_url).read())
            assert b"The saved settings were damaged" in page
            assert sum(contract.LOG_BOOT in line for line in board.log) == 1

    asyncio.run(walk())


def test_a_new_board_is_not_told_of_damage() -> None:
    async def walk() -> None:
        async with World() as world:
            board = await world.add_board(BoardSpec("board"))
            await board.power_on()
            await board.wait_for_log(contract.LOG_SETUP, 60)
            page = await asyncio.to_thread(lambda: urllib.request.urlopen(board.portal_url).read())
            assert b"damaged" not in page and b"Set up your board" in page

    asyncio.run(walk())
