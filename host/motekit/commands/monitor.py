"""`mote monitor`: what a board says on its serial port."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motekit.exits import fail

if TYPE_CHECKING:
    from motekit.serial.log import Line

STYLES = {"D": "dim", "I": "", "W": "yellow", "E": "red"}


def command(
    port: Annotated[
        str, typer.Argument(help="The board's port; the only board there is unless given.")
    ] = "",
    level: Annotated[
        str, typer.Option(help="Only events from this level up: D, I, W, E.", show_default=False)
    ] = "D",
    part: Annotated[
        list[str] | None, typer.Option(help="Only events of this part; several times for several.")
    ] = None,
    stamps: Annotated[
        bool | None,
        typer.Option(
            "--time/--no-time",
            help="Put this computer's time before each line; on a terminal unless told otherwise.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    source: Annotated[
        list[Path] | None,
        typer.Option(help="Folder with the sources of a firmware of your own, for tracebacks."),
    ] = None,
) -> None:
    """Show the serial log of a board until Ctrl-C, through its resets and while it is unplugged.

    Below each line of a traceback it shows the source line, of compiled files as well.

    Example: mote monitor --level W
    """
    from motekit.serial import listening, log, ports, sources

    level = level.upper()
    if level not in tuple(log.LEVELS):
        raise typer.BadParameter(f"one of {', '.join(log.LEVELS)}", param_hint="--level")
    reader = log.Reader([*(source or []), *sources.roots()])
    show = _as_json if as_json else _printer(sys.stdout.isatty() if stamps is None else stamps)
    try:
        for line in listening.lines(ports.choose(port), reader, _notice):
            if log.passes(line, level, part or []):
                show(line)
    except ports.PortError as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit from None


def _notice(text: str) -> None:
    """What the tool itself has to say: never among the lines of the board."""
    typer.echo(f"mote: {text}", err=True)


def _printer(stamps: bool) -> Callable[["Line"], None]:
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)

    def show(line: "Line") -> None:
        at = datetime.fromtimestamp(line.time).strftime("%H:%M:%S.%f")[:-3]
        stamp = f"{at} " if stamps else ""
        style = STYLES.get(line.level, "")
        console.print(Text.assemble((stamp, "dim"), (line.raw, style)))
        if line.source:
            place = f"{_short(line.source.file)}:{line.source.line}"
            indent = " " * (len(stamp) + 4)
            note = f"  ({line.source.note})" if line.source.note else ""
            console.print(Text.assemble(indent, (line.source.code, "bold")))
            console.print(Text.assemble(indent, (place + note, "cyan")))

    return show


def _short(file: Path) -> Path:
    """As seen from here, which is what a terminal makes a link of."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file


def _as_json(line: "Line") -> None:
    content = {name: value for name, value in asdict(line).items() if value not in ("", None)}
    del content["raw"]
    if line.source:
        content["source"] = {**asdict(line.source), "file": str(line.source.file)}
    typer.echo(json.dumps(content))
