"""Where a line of a board's traceback is written on this computer.

`mote firmware` compiles with `mpy-cross -s <place>`, so a compiled file names its source. mpy-cross
keeps the line numbers unless it is told -O3: then every line is the first, and only the names of
the functions are left to go by.
"""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from motekit import packages, places

FRAME = re.compile(r'  File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>\S+))?$')
# How MicroPython calls what has no name (py/qstrdefs, py/compile.c).
NAMELESS = {
    ast.Lambda: "<lambda>",
    ast.GeneratorExp: "<genexpr>",
    ast.ListComp: "<listcomp>",
    ast.DictComp: "<dictcomp>",
    ast.SetComp: "<setcomp>",
}
MODULE = "<module>"
# What the image of a board carries besides, as far as it is on this computer.
CARRIED = ("umqtt-simple",)
NO_LINES = "compiled without line numbers (-O3): here the function begins"
DIFFERS = "this file is not what is on the board"


@dataclass(frozen=True)
class Source:
    """A place in a file of this computer. `note` says what is doubtful about it, or is empty."""

    file: Path
    line: int
    code: str
    note: str


def roots() -> list[Path]:
    """Where the files of a board come from: the firmware, and packages that were fetched."""
    return [places.FIRMWARE, *packages.present(*CARRIED)]


def find(frame: str, below: Sequence[Path]) -> Source | None:
    """The source of the line `frame` of a traceback, in the first folder that has its file."""
    match = FRAME.match(frame)
    if not match:
        return None
    for root in below:
        # A virtual board finds packages where they lie on this computer.
        for name in (match["file"], match["file"].lstrip("/")):
            file = (root / name).resolve()
            # The name comes from the board: it must not lead to other files of this computer.
            if file.suffix == ".py" and file.is_relative_to(root.resolve()) and file.is_file():
                return _placed(file, int(match["line"]), match["function"] or MODULE)
    return None


def _placed(file: Path, line: int, function: str) -> Source | None:
    lines, functions = _read(file, file.stat().st_mtime_ns)
    spans = functions.get(function, [])
    note = ""
    if not any(first <= line <= last for first, last in spans):
        note = NO_LINES if spans and line == 1 else DIFFERS
        line = spans[0][0] if spans else line
    return Source(file, line, lines[line - 1].strip(), note) if line <= len(lines) else None


@lru_cache(maxsize=64)
def _read(file: Path, _: int) -> tuple[list[str], dict[str, list[tuple[int, int]]]]:
    """The lines of a file in one state, and where the functions of each name begin and end."""
    text = file.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    functions = {MODULE: [(1, len(lines))]}
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return lines, functions
    for node in ast.walk(tree):
        name = getattr(node, "name", None) or NAMELESS.get(type(node))
        if isinstance(node, ast.stmt | ast.expr) and isinstance(name, str):
            functions.setdefault(name, []).append((node.lineno, node.end_lineno or node.lineno))
    return lines, functions
