"""Read JSON and TOML files that people write: size, encoding and depth are checked here, once.

A byte-order mark is skipped; UTF-16, NaN, equal names and halves of characters are refused, as on
the board (`mote.json_text`).
"""

import tomllib
from pathlib import Path
from typing import Any, BinaryIO

from mote import json_text
from mote.json_text import JsonError

MAX_BYTES = 1_000_000
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


class DocumentError(Exception):
    """A file cannot be read. `line` is 0 where no line is to blame, `reason` has no value in it."""

    def __init__(self, name: str, line: int, reason: str) -> None:
        super().__init__(f"{name}:{line}: {reason}" if line else f"{name}: {reason}")
        self.line = line
        self.reason = reason


def read_json(file: Path | BinaryIO, max_bytes: int = json_text.MAX_BYTES) -> Any:
    """Return the value in a JSON file. Raises DocumentError."""
    name, data = _read(file, max_bytes)
    try:
        return json_text.parse(data, max_bytes)
    except JsonError as error:
        raise DocumentError(name, error.line, f"is not JSON: {error.reason}") from None


def read_toml(file: Path) -> dict[str, Any]:
    """Return the tables of a TOML file. Raises DocumentError."""
    return parse_toml(str(file), read_text(file))


def parse_toml(name: str, text: str) -> dict[str, Any]:
    """Return the tables of TOML text out of the file `name`. Raises DocumentError."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason, _, place = str(error).removesuffix(")").partition(" (at line ")
        line = place.partition(",")[0]
        raise DocumentError(name, int(line) if line.isdigit() else 1, reason) from None
    except RecursionError:
        raise DocumentError(name, 1, "is nested too deeply") from None


def read_text(file: Path, max_bytes: int = MAX_BYTES) -> str:
    """Return a file of UTF-8, without its byte-order mark. Raises DocumentError."""
    name, data = _read(file, max_bytes)
    if data.startswith(_UTF16_BOMS):
        raise DocumentError(name, 1, "is UTF-16, not UTF-8: save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DocumentError(name, line, "is not UTF-8: save it as UTF-8") from None


def _read(file: Path | BinaryIO, max_bytes: int) -> tuple[str, bytes]:
    name = str(file) if isinstance(file, Path) else str(getattr(file, "name", "the input"))
    try:
        if isinstance(file, Path):
            with file.open("rb") as opened:
                data = opened.read(max_bytes + 1)
        else:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise DocumentError(name, 0, f"cannot be read: {error.strerror}") from error
    if len(data) > max_bytes:
        raise DocumentError(name, 0, f"is larger than {max_bytes} bytes, too large for its kind")
    return name, data
