"""A board at the bench that starts what was written onto it, as a virtual board.

In download mode it is the mock bootloader, on a reset its flash goes to a virtual board, whose
console is on the same cable from then on.
"""

import asyncio
from collections.abc import Callable

from bench_board import BenchBoard
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


async def at_the_bench(what: Callable, *arguments: object, **options: object):
    """esptool waits for its board in a thread, the world goes on."""
    return await asyncio.to_thread(what, *arguments, **options)
