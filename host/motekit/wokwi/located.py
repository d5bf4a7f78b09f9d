"""Files that people write, read into models: what is wrong in them is told by file and line."""

import re
from collections.abc import Hashable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from mote import json_text
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from motekit import documents

Place = tuple[Hashable, ...]
_ENTRIES_MAX = 20_000
Model = TypeVar("Model", bound=BaseModel)


class ProjectError(Exception):
    """A project cannot be run as it is; each line of the text names a file, a line and a remedy."""


class Located:
    """The data of a file, and the line on which each entry of it stands."""

    def __init__(self, file: Path, data: Any, lines: dict[Place, int]) -> None:
        self.file = file
        self.data = data
        self._lines = lines

    def line(self, *place: Hashable) -> int:
        """The line of an entry, or of the nearest around it that the file has."""
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place, 1)

    def error(self, text: str, *place: Hashable) -> ProjectError:
        return ProjectError(f"{self.file}:{self.line(*place)}: {text}")

    def validated(self, model: type[Model], *place: Hashable) -> Model:
        """The entry at `place` as a model. Raises ProjectError with a line for each fault."""
        data = self.data
        for key in place:
            data = data[key]
        try:
            return model.model_validate(data, strict=True)
        except ValidationError as error:
            faults = [self._fault(model, place, fault) for fault in error.errors()]
            raise ProjectError("\n".join(faults)) from None

    def _fault(self, model: type[BaseModel], place: Place, fault: Any) -> str:
        where = (*place, *fault["loc"])
        name = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            # Names are only known of the outermost model; inside, pydantic's word has to do.
            known = [one.alias or key for key, one in model.model_fields.items()]
            hint = unknown(str(fault["loc"][-1]), known if len(fault["loc"]) == 1 else [])
            return str(self.error(hint, *where))
        text = fault["msg"].removeprefix("Value error, ")
        return str(self.error(f"{name}: {text}" if name else text, *where))


def unknown(word: str, known: list[str], *, listed: bool = True) -> str:
    """`word` is not known, and what might have been meant, else with `listed` all that is."""
    close = get_close_matches(word, known, 1)
    if close:
        return f"unknown: {word}; did you mean {close[0]}?"
    return f"unknown: {word}" + (f"; known are {', '.join(known)}" if known and listed else "")


def text_of(file: Path) -> str:
    """The file as UTF-8. Raises ProjectError."""
    try:
        return documents.read_text(file)
    except documents.DocumentError as error:
        raise ProjectError(str(error)) from None


def read_yaml(file: Path) -> Located:
    """YAML 1.2, as Wokwi reads it. Raises ProjectError."""
    text = text_of(file)
    try:
        yaml = YAML(typ="safe", pure=True)
        lines = _lines_of(file, yaml.compose(text))
        return Located(file, yaml.load(text), lines)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        raise ProjectError(f"{file}:{line}: not YAML: {error.problem}") from None
    except RecursionError:
        raise ProjectError(f"{file}:1: is nested too deeply") from None


def read_json(file: Path) -> Located:
    """Raises ProjectError."""
    text = text_of(file)
    try:
        data = json_text.parse(text.encode(), documents.MAX_BYTES)
    except json_text.JsonError as error:
        raise ProjectError(f"{file}:{error.line}: not JSON: {error.reason}") from None
    # Every JSON document is YAML, but for tabs; there are none inside its strings.
    lines = _lines_of(file, YAML(typ="safe", pure=True).compose(text.replace("\t", " ")))
    return Located(file, data, lines)


def read_toml(file: Path) -> Located:
    """Raises ProjectError."""
    text = text_of(file)
    try:
        data = documents.parse_toml(str(file), text)
    except documents.DocumentError as error:
        raise ProjectError(f"{file}:{error.line}: not TOML: {error.reason}") from None
    lines: dict[Place, int] = {}
    table: Place = ()
    tables: dict[Place, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if heading := re.match(r"\s*(\[\[?)\s*([\w.-]+)", line):
            table = tuple(heading[2].split("."))
            if heading[1] == "[[":
                tables[table] = tables.get(table, -1) + 1
                table = (*table, tables[table])
            for end in range(1, len(table) + 1):
                lines.setdefault(table[:end], number)
        elif key := re.match(r"\s*([\w-]+)\s*=", line):
            lines[*table, key[1]] = number
    return Located(file, data, lines)


def _lines_of(file: Path, node: Node | None) -> dict[Place, int]:
    lines: dict[Place, int] = {}
    if node is not None and not _put_lines(node, (), lines):
        raise ProjectError(f"{file}:1: has more than {_ENTRIES_MAX} entries, aliases counted")
    return lines


def _put_lines(node: Node, place: Place, lines: dict[Place, int]) -> bool:
    """Put the line of each entry below `place` into `lines`; False when there are too many."""
    # A few aliases of aliases (`*a`) can stand for millions of entries.
    if len(lines) > _ENTRIES_MAX:
        return False
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, MappingNode):
        for key, value in node.value:
            # An entry stands where its name does.
            lines[*place, key.value] = key.start_mark.line + 1
            if not _put_lines(value, (*place, key.value), lines):
                return False
    elif isinstance(node, SequenceNode):
        for number, item in enumerate(node.value):
            if not _put_lines(item, (*place, number), lines):
                return False
    return True
