"""A board with a few lines of its own in place of the firmware, and what those lines print."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from motesim import AccessPoint, BoardSpec, VirtualBoard, World
from motesim.parts import Part

END = "-- end --"
Story = Callable[[World, VirtualBoard], Awaitable[None]]


def run(
    folder: Path, program: str, story: Story, chip: str = "esp32", parts: list[Part] | None = None,
    networks: list[AccessPoint] | None = None,
) -> None:  # fmt: skip
    """Run `story` with a powered board whose main.py is `program`."""
    firmware = folder / "firmware"
    firmware.mkdir()
    (firmware / "boot.py").write_text("")
    (firmware / "main.py").write_text(program + f"\nprint({END!r})\n")

    async def walk() -> None:
        async with World() as world:
            for ap in networks or []:
                await world.add_access_point(ap)
            spec = BoardSpec("board", chip, parts or [], firmware=firmware)
            board = await world.add_board(spec)
            await board.power_on()
            await story(world, board)

    asyncio.run(walk())


def printed(folder: Path, program: str, **world: object) -> list[str]:
    """What `program` prints until its end."""
    lines: list[str] = []

    async def story(_: World, board: VirtualBoard) -> None:
        await board.wait_for_log(END, 60)
        lines.extend(board.log[: board.log.index(END)])

    run(folder, program, story, **world)  # type: ignore[arg-type]
    return lines
