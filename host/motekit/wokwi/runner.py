"""Runs one scenario of a project on the virtual board, as `wokwi-cli` runs it in the cloud.

Wokwi halts the simulation between steps. The local board runs on; what it says meanwhile waits.
"""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import typer

from motekit.exits import DONE, FAILED
from motekit.wokwi import bench, wiring
from motekit.wokwi import scenario as steps
from motekit.wokwi.diagram import catalogue
from motekit.wokwi.diagram import read as read_diagram
from motekit.wokwi.located import ProjectError
from motekit.wokwi.output import Output, Write
from motekit.wokwi.project import Project
from motekit.wokwi.scenario import Scenario
from motekit.wokwi.surroundings import CONTROLS

# What wokwi-cli ends with when the time is over; it waits for 30 s, of a clock that it may stop.
TIMEOUT_EXIT = 42
TIMEOUT_MS = 120_000


@dataclass(frozen=True)
class Options:
    """As the options of wokwi-cli with these names; times in milliseconds."""

    timeout_ms: int = TIMEOUT_MS
    timeout_exit_code: int = TIMEOUT_EXIT
    serial_log: Path | None = None
    quiet: bool = False
    colour: bool = False


async def run(project: Project, scenario: Scenario, options: Options, write: Write) -> int:
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
        made = bench.set_up(project, circuit, scenario, output, folder, log)
        return await _timed(await leaving.enter_async_context(made), scenario, options, output)


async def _timed(at_work: bench.Bench, scenario: Scenario, options: Options, output: Output) -> int:
    output.status("Starting simulation...")
    began = time.monotonic()
    try:
        async with asyncio.timeout(options.timeout_ms / 1000):
            await at_work.walk()
    except TimeoutError:
        text = f"simulation did not finish in {options.timeout_ms}ms"
        output.line(f"\n{typer.style('Timeout', fg='red')}: {text}")
        output.line(f"{scenario.file}:{at_work.step.line}: this step was not over")
        output.end()
        return options.timeout_exit_code
    except bench.StepFailed as error:
        at = int((time.monotonic() - began) * 1e9)
        output.line(f"{typer.style('Error', fg='red')}: [{at}ns] {error}")
        output.line(f"{scenario.file}:{at_work.step.line}: this step failed")
        output.end()
        return FAILED
    output.step(typer.style("Scenario completed successfully", fg="green"))
    output.end()
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
