"""The bench of a scenario: the board, what hangs on it, what is around it; it does the steps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import typer
from motesim import BoardSpec, VirtualBoard, World

from motekit import image
from motekit.boards import default_for
from motekit.image import contents
from motekit.wokwi import scenario as steps
from motekit.wokwi.lights import difference
from motekit.wokwi.output import Output
from motekit.wokwi.project import Project
from motekit.wokwi.scenario import Scenario
from motekit.wokwi.serial_port import SerialPort
from motekit.wokwi.surroundings import CONTROLS, Surroundings
from motekit.wokwi.wiring import Circuit


class StepFailed(Exception):
    """The board did something else than the scenario expects."""


class Chips:
    """What chips log, and the wait for it. In a scenario for Wokwi nothing here logs anything."""

    def __init__(self, output: Output, *, local: bool) -> None:
        self._output = output
        self._local = local
        self._said: list[str] = []
        self._news = asyncio.Event()

    def tell(self, chip: str, text: str) -> None:
        if self._local:
            self._said.append(text)
            self._output.line(f"[{typer.style(chip, fg='magenta')}] {text}")
            self._news.set()

    async def wait_for(self, text: str) -> None:
        """Until a chip has logged `text`, counted from the last `wait_for`."""
        while True:
            for number, said in enumerate(self._said, 1):
                if text in said:
                    del self._said[:number]
                    return
            self._news.clear()
            await self._news.wait()


class Bench:
    """What a scenario has at hand while it runs."""

    def __init__(
        self, circuit: Circuit, scenario: Scenario, output: Output, chips: Chips,
        around: Surroundings, board: VirtualBoard, port: SerialPort,
    ) -> None:  # fmt: skip
        self._circuit, self._scenario, self._output = circuit, scenario, output
        self._chips, self._around, self._board, self._port = chips, around, board, port
        self._flickering: set[str] = set()
        self.step = scenario.steps[0]
        board.pins.watchers.append(self._written)
        names = {button.pin: name for name, button in board.pins.buttons.items()}
        for name, button in circuit.buttons.items():
            # A button at the pin of BOOT is beside it.
            board.pins.buttons[names.get(button.pin, name)] = button

    async def walk(self) -> None:
        """Power on, and do every step. Raises StepFailed; `step` is the one under way."""
        await self._board.power_on()
        for step in self._scenario.steps:
            self.step = step
            if step.name:
                gray = typer.style("Executing step:", fg="bright_black")
                self._output.step(f"{gray} {typer.style(step.name, fg='yellow')}")
            await self._do(step.action)

    async def _do(self, action: steps.Action) -> None:
        match action:
            case steps.Delay(root=text):
                self._output.step(f"delay {typer.style(text, fg='yellow')}")
                await asyncio.sleep(steps.seconds(text))
                # Wokwi's monitor looks only at what comes while it waits.
                self._port.forget()
            case steps.WaitSerial(root=text):
                await self._port.wait_for(text.encode())
                matched = typer.style(f'"{text}"', fg="green")
                self._output.step(f"Expected text matched: {matched}")
            case steps.WriteSerial():
                await self._port.write(action.data)
            case steps.ExpectChipOutput(root=text):
                await self._chips.wait_for(text)
                matched = typer.style(f'"{text}"', fg="green")
                self._output.step(f"Expected chip output matched: {matched}")
            case steps.SetControl() if action.part in CONTROLS:
                device = f"IOT_{self._circuit.mac.upper()}"
                await self._around.turn(action.part, action.control, action.value, device)
            case steps.SetControl():
                self._circuit.controls[action.part, action.control](action.value)
            case steps.ExpectPin():
                self._expect_pin(action)
            case steps.TakeScreenshot():
                self._screenshot(action)

    def _expect_pin(self, action: steps.ExpectPin) -> None:
        name = f"{action.part}:{action.pin}"
        self._output.step(f"expect-pin {name} == {action.value}")
        level = self._circuit.level(action.part, action.pin)
        if level is None:
            gpio = self._circuit.gpio(action.part, action.pin)
            level = 1 if gpio is None else self._board.pins.pin_read(gpio)
        if level != action.value:
            raise StepFailed(f"GPIO {name} expected to be {action.value} but was {level}")

    def _screenshot(self, action: steps.TakeScreenshot) -> None:
        picture = self._circuit.lights[action.part].picture()
        folder = self._scenario.file.parent
        if action.save_to:
            file = folder / action.save_to
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(picture)
        if action.compare_with:
            try:
                wanted = (folder / action.compare_with).read_bytes()
            except OSError:
                raise StepFailed(
                    f"Failed to read comparison file for screenshot: {action.compare_with}"
                ) from None
            if found := difference(wanted, picture):
                raise StepFailed(f"Screenshot mismatch for {action.compare_with} {found}")

    def _written(self, pin: int) -> None:
        pins = self._board.pins
        for name, light in self._circuit.lights.items():
            if light.pin != pin:
                continue
            if not light.written(pins.levels.get(pin, 0), pins.strips.get(pin, b"")):
                continue
            if light.flickers != (name in self._flickering):
                self._flickering ^= {name}
                self._chips.tell(name, "flickers" if light.flickers else "flickers no more")
            elif not light.flickers:
                self._chips.tell(name, f"shows #{bytes(light.colour).hex()}")


@asynccontextmanager
async def set_up(
    project: Project, circuit: Circuit, scenario: Scenario, output: Output, folder: Path,
    log: BinaryIO | None,
) -> AsyncIterator[Bench]:  # fmt: skip
    """The board is there, with the project's firmware, and off. Raises ProjectError."""
    spec = _spec(project, circuit)
    async with AsyncExitStack() as leaving:
        world = await leaving.enter_async_context(World(folder=folder / "world"))
        for ap in circuit.networks:
            await world.add_access_point(ap)
        board = await world.add_board(spec)
        chips = Chips(output, local=scenario.local)
        around = Surroundings(world, board, folder, chips.tell)
        leaving.push_async_callback(around.close)
        await around.open()
        port = SerialPort(board.serial_path, output.serial, log)
        leaving.callback(port.close)
        output.status(f"Connected to the virtual board, an {circuit.chip.name}")
        yield Bench(circuit, scenario, output, chips, around, board, port)


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
