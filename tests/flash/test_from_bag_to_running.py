"""From a blank board to its setup network: a virtual board starts from the very bytes written."""

import json

import bench_programs
import pytest
from bench_board import BenchBoard
from bench_flash import Notes, flashed
from handover import Handover, at_the_bench
from mote import contract
from motekit.flash import Wish
from motekit.flash.flasher import CONFIG
from motesim import World


@pytest.mark.anyio
async def test_a_blank_board_opens_its_setup_network(wish: Wish) -> None:
    async with World() as world:
        bench = BenchBoard(boots=Handover(world).boots)
        done = await at_the_bench(flashed, bench, wish, Notes())
        assert done.running and not done.configured
        # What the person was told is what the board itself says.
        board = world.boards["start1"]
        opened = await board.wait_for_log(contract.LOG_SETUP, 60)
        assert f"{contract.LOG_SETUP}{done.network} (with its password)" in opened
        assert board.device_id == done.network


@pytest.mark.anyio
async def test_a_board_that_was_set_up_starts_with_its_settings(wish: Wish) -> None:
    settings = {"version": 1, "id": "plant1", "wifi": [{"ssid": "Home"}], "mqtt": {"host": "hub"}}
    async with World() as world:
        bench = BenchBoard(boots=Handover(world).boots)
        await at_the_bench(flashed, bench, wish, Notes())
        bench_programs.add(bench, {CONFIG: json.dumps(settings).encode()})
        done = await at_the_bench(flashed, bench, wish, Notes(), board="wemos-d1-mini32")
        assert done.configured and done.running
        # It looks for its WiFi instead of opening the portal.
        await world.boards["start2"].wait_for_log(contract.LOG_JOIN_FAILED, 60)
