"""`mote sim test`: the scenarios of a Wokwi project, on the virtual board."""

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from motekit.exits import DONE, STOPPED, complain, explained, fail
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.wokwi.project import Project
    from motekit.wokwi.runner import Options
    from motekit.wokwi.scenario import Scenario

# Scenarios mostly wait: so many run side by side.
SIDE_BY_SIDE = 4
EPILOG = explained(
    "mote sim test sim/wokwi/esp32 --scenario ../scenarios/boot.test.yaml",
    done="all scenarios passed",
    failed="a step failed or the project cannot be run (the last line says which and why)",
    note=" And with 42 when the time was over, as wokwi-cli does.",
)


def command(
    project: Annotated[Path, typer.Argument(help="Folder with wokwi.toml.")] = Path(),
    scenario: Annotated[
        Path | None,
        typer.Option(
            help="One scenario, relative to the project; else all in it and in ../scenarios.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[int, typer.Option(min=1, help="Milliseconds a scenario.")] = 120_000,
    timeout_exit_code: Annotated[int, typer.Option(help="What a time-out ends with.")] = 42,
    diagram_file: Annotated[
        Path | None, typer.Option(help="Instead of diagram.json.", show_default=False)
    ] = None,
    serial_log_file: Annotated[
        Path | None,
        typer.Option(help="Keep what the board says; with one scenario.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No status messages.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a verdict a scenario as JSON, at the end.")
    ] = False,
) -> None:
    """Run a Wokwi project's scenarios on the virtual board: no token, no internet."""
    from motesim.errors import SimulationError

    from motekit.packages import PackageError
    from motekit.wokwi import diagram as diagrams
    from motekit.wokwi import project as projects
    from motekit.wokwi import scenario as scenarios
    from motekit.wokwi.located import ProjectError
    from motekit.wokwi.runner import Options

    if serial_log_file and not scenario:
        raise typer.BadParameter("needs --scenario", param_hint="--serial-log-file")
    options = Options(timeout, timeout_exit_code, serial_log_file, quiet, _colour(as_json))
    try:
        found = projects.read(project, diagram_file)
        files = [project / scenario] if scenario else found.scenarios()
        if not files:
            fail(f"{project} has no scenarios: write one as {project / 'first.test.yaml'}")
        wanted = [scenarios.read(file) for file in files]
        if not quiet:
            echo(*(f"warning: {one}" for one in diagrams.read(found.diagram).warnings), err=True)
        codes = asyncio.run(_run(found, wanted, options, sys.stderr if as_json else sys.stdout))
    except KeyboardInterrupt:
        raise typer.Exit(STOPPED) from None
    except (ProjectError, SimulationError, PackageError) as error:
        # A project may have several mistakes, each a line.
        *others, last = str(error).splitlines()
        for line in others:
            echo(line, err=True)
        fail(last)
    if as_json:
        verdicts = [
            {"scenario": str(one.file), "name": one.name, "passed": code == DONE, "exit_code": code}
            for one, code in zip(wanted, codes, strict=True)
        ]
        print_json(verdicts, indent=1)
    bad = [one for one, code in zip(wanted, codes, strict=True) if code != DONE]
    if bad:
        names = ", ".join(str(one.file) for one in bad)
        complain(f"{len(bad)} of {len(wanted)} scenarios did not pass; why is said above: {names}")
    raise typer.Exit(next((code for code in codes if code != DONE), DONE))


def _colour(as_json: bool) -> bool:
    return (sys.stderr if as_json else sys.stdout).isatty() and not os.environ.get("NO_COLOR")


async def _run(
    project: "Project", wanted: list["Scenario"], options: "Options", shown: TextIO
) -> list[int]:
    """How each ended. One scenario is shown live, more in turn."""
    from motekit.wokwi import runner

    def write(data: bytes) -> None:
        shown.buffer.write(data)
        shown.flush()

    if len(wanted) == 1:
        return [await runner.run(project, wanted[0], options, write)]
    turn = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(scenario: "Scenario") -> tuple[int, bytes]:
        said = bytearray()
        async with turn:
            return await runner.run(project, scenario, options, said.extend), bytes(said)

    codes = []
    tasks = [asyncio.create_task(one(scenario)) for scenario in wanted]
    echo(f"{len(wanted)} scenarios, up to {SIDE_BY_SIDE} at a time", err=True)
    for scenario, task in zip(wanted, tasks, strict=True):
        code, said = await task
        codes.append(code)
        write(f"--- {scenario.file}\n".encode())
        write(said)
    write(f"{codes.count(DONE)} of {len(codes)} scenarios passed\n".encode())
    return codes
