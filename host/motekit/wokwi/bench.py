"""The bench of a scenario: it does the steps on a rig."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import typer

from motekit.wokwi import scenario as steps
from motekit.wokwi.lights import PNG, NotAPictureError, difference
from motekit.wokwi.output import Output
from motekit.wokwi.project import Project
from motekit.wokwi.rig import Rig, assembled
from motekit.wokwi.scenario import Scenario
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

    def __init__(self, rig: Rig, scenario: Scenario, output: Output, chips: Chips) -> None:
        self._rig, self._scenario, self._output, self._chips = rig, scenario, output, chips
        self._flickering: set[str] = set()
        self.step = scenario.steps[0]
        rig.board.pins.watchers.append(self._written)

    async def walk(self) -> None:
        """Power on, and do every step. Raises StepFailed; `step` is the one under way."""
        await self._rig.board.power_on()
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
                self._rig.port.forget()
            case steps.WaitSerial(root=text):
                await self._rig.port.wait_for(text.encode())
                matched = typer.style(f'"{text}"', fg="green")
                self._output.step(f"Expected text matched: {matched}")
            case steps.WriteSerial():
                await self._rig.port.write(action.data)
            case steps.ExpectChipOutput(root=text):
                await self._chips.wait_for(text)
                matched = typer.style(f'"{text}"', fg="green")
                self._output.step(f"Expected chip output matched: {matched}")
            case steps.SetControl():
                await self._rig.turn(action.part, action.control, action.value)
            case steps.ExpectPin():
                self._expect_pin(action)
            case steps.TakeScreenshot():
                self._screenshot(action)

    def _expect_pin(self, action: steps.ExpectPin) -> None:
        name = f"{action.part}:{action.pin}"
        part, value = (typer.style(one, fg="yellow") for one in (action.part, action.value))
        pin = typer.style(action.pin, fg="magenta")
        self._output.step(f"expect-pin {part}:{pin} == {value}")
        level = self._rig.level(action.part, action.pin)
        if level != action.value:
            raise StepFailed(f"GPIO {name} expected to be {action.value} but was {level}")

    def _screenshot(self, action: steps.TakeScreenshot) -> None:
        picture = self._rig.circuit.lights[action.part].picture()
        folder = self._scenario.file.parent.resolve()
        if action.save_to:
            _save(folder, action.save_to, picture)
        if action.compare_with:
            try:
                # A link in the path must not lead further than the path itself may.
                file = _within(folder.parent, folder / action.compare_with)
                found = difference(file.read_bytes(), picture)
            except (OSError, NotAPictureError) as error:
                raise StepFailed(
                    f"Failed to read comparison file for screenshot: {action.compare_with} "
                    f"({error.strerror if isinstance(error, OSError) else error})"
                ) from None
            if found:
                raise StepFailed(f"Screenshot mismatch for {action.compare_with} {found}")

    def _written(self, pin: int) -> None:
        pins = self._rig.board.pins
        for name, light in self._rig.circuit.lights.items():
            if light.pin != pin:
                continue
            if not light.written(pins.levels.get(pin, 0), pins.strips.get(pin, b"")):
                continue
            if light.flickers != (name in self._flickering):
                self._flickering ^= {name}
                self._chips.tell(name, "flickers" if light.flickers else "flickers no more")
            elif not light.flickers:
                self._chips.tell(name, f"shows #{bytes(light.colour).hex()}")


def _save(folder: Path, name: str, picture: bytes) -> None:
    """Write a picture into the folder of the scenario. Raises StepFailed.

    It replaces an earlier picture, never another file.
    """
    try:
        file = _within(folder, folder / name)
        if file.exists() and not file.read_bytes().startswith(PNG):
            raise StepFailed(f"Failed to save screenshot: {name} exists, and is no PNG")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture)
    except OSError as error:
        raise StepFailed(f"Failed to save screenshot: {name} ({error.strerror})") from None


def _within(folder: Path, file: Path) -> Path:
    """Return where `file` really is. Raises OSError when that is outside of `folder`."""
    real = file.resolve()
    if not real.is_relative_to(folder):
        raise OSError(errno.EACCES, f"a link leads out of {folder}")
    return real


@asynccontextmanager
async def set_up(
    project: Project, circuit: Circuit, scenario: Scenario, output: Output, folder: Path,
    log: BinaryIO | None,
) -> AsyncIterator[Bench]:  # fmt: skip
    """The board is there, with the project's firmware, and off. Raises ProjectError."""
    chips = Chips(output, local=scenario.local)
    made = assembled(project, circuit, folder, output.serial, chips.tell, log)
    async with made as rig:
        output.status(f"Connected to the virtual board, an {circuit.chip.name}")
        yield Bench(rig, scenario, output, chips)
