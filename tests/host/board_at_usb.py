"""Virtual boards at USB ports, with the world in a thread, for commands that block."""

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from motesim import BoardSpec, VirtualBoard, World

TIMEOUT_S = 240
CONFIG = "config.json"


class Bench:
    """A world, and its boards as a test sees them from outside."""

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        self.world = world
        self._loop = loop

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What `work` returns, done in the world's own thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT_S)

    def board(self, name: str = "board", awaits: str = "portal open", **spec: Any) -> VirtualBoard:
        """A board with its power on, as soon as it has said `awaits`."""

        async def plugged() -> VirtualBoard:
            board = await self.world.add_board(BoardSpec(name, **spec))
            await board.power_on()
            await board.wait_for_log(awaits, 120)
            return board

        return self.do(plugged())

    def hears(self, board: VirtualBoard, text: str, since: int = 0) -> str:
        return self.do(board.wait_for_log(text, 120, since))


@contextmanager
def bench() -> Iterator[Bench]:
    """Boards until the end of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def opened() -> World:
        return await World().__aenter__()

    world = asyncio.run_coroutine_threadsafe(opened(), loop).result(TIMEOUT_S)
    room = Bench(world, loop)
    try:
        yield room
    finally:
        room.do(world.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(TIMEOUT_S)
        loop.close()


def settings(board: VirtualBoard) -> dict[str, Any]:
    """What the board holds on its flash, empty for a new one."""
    files = board.flash.files()
    return json.loads(board.flash.read(CONFIG)) if f"/{CONFIG}" in files else {}
