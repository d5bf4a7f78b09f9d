"""From a blank board to its setup network: a virtual board starts from the very bytes written.

In download mode the board is the mock bootloader, on a reset its flash goes to a virtual board,
whose console is on the same cable from then on.
"""

import asyncio
import json
from collections.abc import Callable

import bench_programs
import pytest
from bench_board import BenchBoard
from flashing import Notes, flashed
from mote import contract
from motekit.flash import Wish
from motekit.flash.flasher import CONFIG
from motesim import BoardSpec, World

MAC = "240ac4e29526"


class Handover:
    """Hands the flash of a board at the bench to virtual boards, one for each start."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._loop = asyncio.get_running_loop()
        self._starts = 0

    def boots(self, bench: BenchBoard) -> None:
        """Start what is in the flash."""
        self._running = asyncio.run_coroutine_threadsafe(self._run(bench), self._loop)

    async def _run(self, bench: BenchBoard) -> None:
        self._starts += 1
        spec = BoardSpec(f"start{self._starts}", image=bytes(bench.flash.data), mac=MAC)
        board = await self._world.add_board(spec)
        await board.power_on()
        seen, resets = 0, bench.resets
        while bench.resets == resets:
            lines = await board.serial.next_lines(seen)
            seen = board.serial.count
            bench.say("".join(f"{line}\r\n" for line in lines).encode())
        await board.cut_power()


@pytest.mark.anyio
async def test_a_blank_board_opens_its_setup_network(wish: Wish) -> None:
    async with World() as world:
        bench = BenchBoard(boots=Handover(world).boots)
        done = await at_the_bench(flashed, bench, wish, Notes())
        assert done.running and not done.configured
        # What the person was told is what the board itself says.
        board = world.boards["start1"]
        opened = await board.wait_for_log(contract.LOG_SETUP, 30)
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


async def at_the_bench(what: Callable, *arguments: object, **options: object):
    """esptool waits for its board in a thread, the world goes on."""
    return await asyncio.to_thread(what, *arguments, **options)
