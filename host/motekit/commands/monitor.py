"""`mote monitor`: what a board says on its serial port."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motekit import terminal
from motekit.commands import completion
from motekit.exits import ENDED, explained, fail
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.serial.log import Line

EPILOG = explained("mote monitor --level W", done=ENDED, stopped="")
STYLES = {"D": "dim", "I": "", "W": "yellow", "E": "red"}


def command(
    port: Annotated[
        str,
        typer.Argument(
            help="The board's port; the only board there is unless given.",
            autocompletion=completion.ports,
        ),
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
    """Show the serial log of a board, through resets and while it is unplugged.

    Below each line of a traceback it shows the source line, of compiled files as well.
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
        fail(error)
    except KeyboardInterrupt:
        raise typer.Exit from None


def _notice(text: str) -> None:
    """What the tool itself has to say: never among the lines of the board."""
    echo(f"mote: {text}", err=True)


def _printer(stamps: bool) -> Callable[["Line"], None]:
    from rich.text import Text

    print_line = partial(terminal.console().print, soft_wrap=True)

    def show(line: "Line") -> None:
        at = datetime.fromtimestamp(line.time).strftime("%H:%M:%S.%f")[:-3]
        stamp = f"{at} " if stamps else ""
        style = STYLES.get(line.level, "")
        print_line(Text.assemble((stamp, "dim"), terminal.styled(line.raw, style)))
        if line.source:
            place = f"{_short(line.source.file)}:{line.source.line}"
            indent = " " * (len(stamp) + 4)
            note = f"  ({line.source.note})" if line.source.note else ""
            print_line(Text.assemble(indent, terminal.styled(line.source.code, "bold")))
            print_line(Text.assemble(indent, terminal.styled(place + note, "cyan")))

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
    print_json(content)
