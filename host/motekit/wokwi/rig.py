"""The rig: the board of a circuit with its firmware, its serial port, and what is around it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from motesim import BoardSpec, VirtualBoard, World

from motekit import image
from motekit.boards import default_for
from motekit.image import contents
from motekit.wokwi.project import Project
from motekit.wokwi.serial_port import SerialPort
from motekit.wokwi.surroundings import CONTROLS, Surroundings, Tell
from motekit.wokwi.wiring import Circuit


@dataclass(frozen=True)
class Rig:
    """What a scenario, or a client of Wokwi's API, has in its hands."""

    circuit: Circuit
    board: VirtualBoard
    port: SerialPort
    around: Surroundings

    async def turn(self, part: str, control: str, value: float) -> None:
        """Turn something of a part. Raises KeyError where the circuit has no such control."""
        if part in CONTROLS:
            device = f"IOT_{self.circuit.mac.upper()}"
            await self.around.turn(part, control, value, device)
        else:
            self.circuit.controls[part, control](value)

    def level(self, part: str, pin: str) -> int:
        """The level of a pin now; one that hangs on nothing is high."""
        level = self.circuit.level(part, pin)
        if level is None:
            gpio = self.circuit.gpio(part, pin)
            level = 1 if gpio is None else self.board.pins.pin_read(gpio)
        return level


@asynccontextmanager
async def assembled(
    project: Project, circuit: Circuit, folder: Path, hear: Callable[[bytes], None], tell: Tell,
    log: BinaryIO | None = None,
) -> AsyncIterator[Rig]:  # fmt: skip
    """The board is there, with the project's firmware, and off. Raises ProjectError."""
    spec = _spec(project, circuit)
    async with AsyncExitStack() as leaving:
        world = await leaving.enter_async_context(World(folder=folder / "world"))
        for ap in circuit.networks:
            await world.add_access_point(ap)
        board = await world.add_board(spec)
        names = {button.pin: name for name, button in board.pins.buttons.items()}
        for name, button in circuit.buttons.items():
            # A button at the pin of BOOT is beside it.
            board.pins.buttons[names.get(button.pin, name)] = button
        around = Surroundings(world, board, folder, tell)
        leaving.push_async_callback(around.close)
        await around.open()
        port = SerialPort(board.serial_path, hear, log)
        leaving.callback(port.close)
        yield Rig(circuit, board, port, around)


def _spec(project: Project, circuit: Circuit) -> BoardSpec:
    """The board with the project's firmware. Raises ProjectError where both do not fit."""
    data = project.flash(circuit.flash_size)
    chip = circuit.chip.name
    try:
        found = contents.look(data)
    except image.ImageError as error:
        raise project.config.error(f"{project.firmware}: {error}", "wokwi", "firmware") from None
    if found.runtime.chip.lower() != chip:
        text = f"{project.firmware} is for the {found.runtime.chip}, the diagram has an {chip}"
        raise project.config.error(text, "wokwi", "firmware")
    board = found.board or default_for(chip).key
    return BoardSpec("wokwi", chip, circuit.models, mac=circuit.mac, board=board, image=data)
