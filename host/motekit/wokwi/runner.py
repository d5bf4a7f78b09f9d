"""Runs one scenario of a project on the virtual board, as `wokwi-cli` runs it in the cloud.

Wokwi halts the simulation between steps. The local board runs on; what it says meanwhile waits.
"""

import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import typer
from motesim import BoardSpec, World

from motekit import image
from motekit.boards import default_for
from motekit.exits import DONE, FAILED
from motekit.image import contents
from motekit.wokwi import scenario as steps
from motekit.wokwi import wiring
from motekit.wokwi.diagram import catalogue
from motekit.wokwi.diagram import read as read_diagram
from motekit.wokwi.lights import Light, difference
from motekit.wokwi.located import ProjectError
from motekit.wokwi.output import Output, Write
from motekit.wokwi.project import Project
from motekit.wokwi.scenario import Scenario
from motekit.wokwi.serial_port import SerialPort
from motekit.wokwi.surroundings import CONTROLS, Surroundings

# What wokwi-cli ends with when the time is over; it waits for 30 s, of a clock that it may stop.
TIMEOUT_EXIT = 42
TIMEOUT_MS = 120_000


class StepFailed(Exception):
    """The board did something else than the scenario expects."""


@dataclass(frozen=True)
class Options:
    """As the options of wokwi-cli with these names; times in milliseconds."""

    timeout_ms: int = TIMEOUT_MS
    timeout_exit_code: int = TIMEOUT_EXIT
    serial_log: Path | None = None
    quiet: bool = False
    colour: bool = False


def to_terminal(data: bytes) -> None:
    """Where a run prints unless told otherwise."""
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


async def run(
    project: Project, scenario: Scenario, options: Options, write: Write = to_terminal
) -> int:
    """The exit code. Raises ProjectError before anything runs, SimulationError."""
    diagram = read_diagram(project.diagram)
    circuit = wiring.circuit(diagram)
    _check(scenario, circuit)
    output = Output(write, scenario.name, quiet=options.quiet, colour=options.colour)
    async with AsyncExitStack() as leaving:
        folder = Path(leaving.enter_context(tempfile.TemporaryDirectory(prefix="mote-wokwi-")))
        log = None
        if options.serial_log:
            log = leaving.enter_context(options.serial_log.open("wb"))
        world = await leaving.enter_async_context(World(folder=folder / "world"))
        bench = await _Bench.set_up(world, project, circuit, scenario, output, folder, leaving, log)
        return await _timed(bench, scenario, options, output)


async def _timed(bench: "_Bench", scenario: Scenario, options: Options, output: Output) -> int:
    began = time.monotonic()
    try:
        async with asyncio.timeout(options.timeout_ms / 1000):
            await bench.walk(scenario)
    except TimeoutError:
        text = f"simulation did not finish in {options.timeout_ms}ms"
        output.line(f"\n{typer.style('Timeout', fg='red')}: {text}")
        output.line(f"{scenario.file}:{bench.step.line}: this step was not over")
        return options.timeout_exit_code
    except StepFailed as error:
        at = int((time.monotonic() - began) * 1e9)
        output.line(f"{typer.style('Error', fg='red')}: [{at}ns] {error}")
        output.line(f"{scenario.file}:{bench.step.line}: this step failed")
        return FAILED
    output.step(typer.style("Scenario completed successfully", fg="green"))
    return DONE


def _check(scenario: Scenario, circuit: wiring.Circuit) -> None:
    """Every step has what it needs. Raises ProjectError with the step's line."""
    parts = circuit.diagram.parts
    for step in scenario.steps:
        action = step.action
        part = getattr(action, "part", "")
        where = f"{scenario.file}:{step.line}: "
        if part and part not in parts and part not in CONTROLS:
            raise ProjectError(where + f"there is no part {part}; there are: {', '.join(parts)}")
        if isinstance(action, steps.SetControl):
            known = CONTROLS.get(part) or [n for p, n in circuit.controls if p == part]
            if action.control not in known:
                told = f"it has {', '.join(known)}" if known else "it has none"
                raise ProjectError(where + f"{part} has no control {action.control}; {told}")
        elif isinstance(action, steps.ExpectPin):
            pins = catalogue()[parts[part].type]["pins"] if part in parts else ()
            if action.pin not in pins:
                raise ProjectError(where + f"{part} has no pin {action.pin}: {', '.join(pins)}")
        elif isinstance(action, steps.TakeScreenshot) and part not in circuit.lights:
            known = list(circuit.lights)
            raise ProjectError(where + f"no picture of {part}; there is one of {', '.join(known)}")
        elif isinstance(action, steps.TouchPress | steps.TouchRelease):
            raise ProjectError(where + "no part of the local board has a touch screen")


class _Bench:
    """The board and all that is around it, while a scenario runs."""

    def __init__(self, circuit: wiring.Circuit, scenario: Scenario, output: Output) -> None:
        self._circuit = circuit
        self._scenario = scenario
        self._output = output
        self._chips: list[str] = []
        self._news = asyncio.Event()
        self._flickered: set[str] = set()
        self.step = scenario.steps[0]

    @classmethod
    async def set_up(
        cls, world: World, project: Project, circuit: wiring.Circuit, scenario: Scenario,
        output: Output, folder: Path, leaving: AsyncExitStack, log: BinaryIO | None,
    ) -> "_Bench":  # fmt: skip
        self = cls(circuit, scenario, output)
        for ap in circuit.networks:
            await world.add_access_point(ap)
        self._around = Surroundings(world, folder, self._tell)
        leaving.push_async_callback(self._around.close)
        await self._around.open()
        self._board = await world.add_board(_spec(project, circuit))
        self._around.board = self._board
        self._board.pins.watchers.append(self._written)
        by_pin = {button.pin: name for name, button in self._board.pins.buttons.items()}
        for name, button in circuit.buttons.items():
            # A button at the pin of BOOT is beside it.
            self._board.pins.buttons[by_pin.get(button.pin, name)] = button
        self._port = SerialPort(self._board.serial_path, output.serial, log)
        leaving.callback(self._port.close)
        output.status(f"Connected to the virtual board, an {circuit.chip.name}")
        output.status("Starting simulation...")
        return self

    async def walk(self, scenario: Scenario) -> None:
        await self._board.power_on()
        for self.step in scenario.steps:
            if self.step.name:
                gray = typer.style("Executing step:", fg="bright_black")
                self._output.step(f"{gray} {typer.style(self.step.name, fg='yellow')}")
            await self._do(self.step.action)

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
                await self._chip_says(text)
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

    async def _chip_says(self, text: str) -> None:
        while True:
            for number, said in enumerate(self._chips):
                if text in said:
                    del self._chips[: number + 1]
                    return
            self._news.clear()
            await self._news.wait()

    def _tell(self, chip: str, text: str) -> None:
        if self._scenario.local:
            self._chips.append(text)
            self._output.line(f"[{typer.style(chip, fg='magenta')}] {text}")
            self._news.set()

    def _written(self, pin: int) -> None:
        pins = self._board.pins
        for name, light in self._circuit.lights.items():
            if light.pin == pin:
                light.written(pins.levels.get(pin, 0), pins.strips.get(pin, b""))
                self._watch(name, light)

    def _watch(self, name: str, light: Light) -> None:
        if light.flickers != (name in self._flickered):
            self._flickered ^= {name}
            self._tell(name, "flickers" if light.flickers else "flickers no more")


def _spec(project: Project, circuit: wiring.Circuit) -> BoardSpec:
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

