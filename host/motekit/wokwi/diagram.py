"""`diagram.json`: parts and the wires between them (docs.wokwi.com/diagram-format).

Judged as `wokwi-cli lint` does, with every name of a part, a pin and an attribute in `parts.json`.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from motekit.wokwi.located import Located, ProjectError, read_json, unknown

SERIAL_MONITOR = "$serialMonitor"
CATALOGUE = Path(__file__).with_name("parts.json")
_WIRE = re.compile(r"\*|[vh]-?\d+(\.\d+)?")
Pin = tuple[str, str]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Part(_Strict):
    """One part; `attrs` are texts, as Wokwi's editor writes them, or numbers, as people do."""

    id: str = Field(min_length=1, pattern=r"^[^:$]+$")
    type: str
    left: float = 0
    top: float = 0
    rotate: float = 0
    hide: bool = False
    attrs: dict[str, str] = {}

    @field_validator("attrs", mode="before")
    @classmethod
    def _as_texts(cls, attrs: Any) -> Any:
        if not isinstance(attrs, dict):
            return attrs
        return {
            name: json.dumps(value) if isinstance(value, (bool, int, float)) else value
            for name, value in attrs.items()
        }


class _SerialMonitor(_Strict):
    collapse: bool = False
    convert_eol: bool = Field(default=False, alias="convertEol")
    display: Literal["auto", "always", "never", "plotter", "terminal"] = "auto"
    newline: Literal["lf", "cr", "crlf", "none"] = "lf"


class _Diagram(_Strict):
    version: Literal[1]
    author: str = ""
    editor: str = "wokwi"
    parts: list[Part]
    connections: list[list[Any]]
    serial_monitor: _SerialMonitor = Field(default=_SerialMonitor(), alias="serialMonitor")
    dependencies: dict[str, str] = {}


class Diagram:
    """Parts by id, and the nets: sets of pins that wires join; `warnings` as of Wokwi's lint."""

    def __init__(self, located: Located) -> None:
        content = located.validated(_Diagram)
        self.located = located
        self.parts: dict[str, Part] = {}
        self._index: dict[str, int] = {}
        self.nets: list[set[Pin]] = []
        self.warnings: list[str] = []
        for number, part in enumerate(content.parts):
            self._take(number, part)
        for number, wire in enumerate(content.connections):
            self._join(*self._ends(number, wire))

    def net(self, part: str, pin: str) -> set[Pin]:
        """Every pin that is joined with this one, itself included."""
        return next((net for net in self.nets if (part, pin) in net), {(part, pin)})

    def error(self, part: str, text: str) -> ProjectError:
        """A fault of the part `part`, at its line."""
        return self.located.error(f"{part}: {text}", "parts", self._index[part], "id")

    def _take(self, number: int, part: Part) -> None:
        place = ("parts", number)
        if part.id in self.parts:
            raise self.located.error(f"there are two parts {part.id}", *place, "id")
        if part.type not in catalogue():
            raise self.located.error(_not_here(part.type), *place, "type")
        known = catalogue()[part.type]["attrs"]
        for name in part.attrs:
            if name not in known:
                where = self.located.error(unknown(name, known), *place, "attrs", name)
                self.warnings.append(f"{where} (attribute of {part.id}; it changes nothing)")
        self.parts[part.id] = part
        self._index[part.id] = number
        for first, second in catalogue()[part.type].get("joined", ()):
            self._join((part.id, first), (part.id, second))

    def _ends(self, number: int, wire: list[Any]) -> tuple[Pin, Pin]:
        place = ("connections", number)
        if not 3 <= len(wire) <= 4 or not all(isinstance(one, str) for one in wire[:3]):
            text = 'a connection is ["part:pin", "part:pin", "colour", [how the wire goes]]'
            raise self.located.error(text, *place)
        for step in wire[3] if len(wire) == 4 else ():
            if not _WIRE.fullmatch(str(step)):
                raise self.located.error(f"{step!r} is no way of a wire: v10, h-5 or *", *place)
        first, second = (self._pin(end, number) for end in wire[:2])
        return first, second

    def _pin(self, end: str, number: int) -> Pin:
        part, _, pin = end.partition(":")
        place = ("connections", number)
        if part == SERIAL_MONITOR:
            pins = ["TX", "RX"]
        elif part in self.parts:
            pins = catalogue()[self.parts[part].type]["pins"]
        else:
            raise self.located.error(unknown(part, sorted(self.parts)), *place)
        if pin not in pins:
            raise self.located.error(f"{part} has no pin {pin!r}; {', '.join(pins)}", *place)
        return part, pin

    def _join(self, first: Pin, second: Pin) -> None:
        joined = self.net(*first) | self.net(*second)
        self.nets = [net for net in self.nets if not net & joined]
        self.nets.append(joined)


def read(file: Path) -> Diagram:
    """Raises ProjectError."""
    return Diagram(read_json(file))


@cache
def catalogue() -> dict[str, dict[str, Any]]:
    """Wokwi's parts that a project here may use: `pins`, which of them are `joined` inside,
    `attrs`, `controls` and the `source`."""
    found: dict[str, dict[str, Any]] = _content()["parts"]
    return found


@cache
def _content() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(CATALOGUE.read_text(encoding="utf-8"))
    return found


def _not_here(kind: str) -> str:
    """Why a part of this type cannot be used."""
    if kind.startswith("chip-"):
        return f"{kind}: custom chips run in Wokwi only, not in the local simulator"
    if kind in _content()["only_in_wokwi"]:
        here = ", ".join(sorted(catalogue()))
        return f"{kind}: Wokwi has this part, the local simulator does not; it has {here}"
    return unknown(kind, sorted([*catalogue(), *_content()["only_in_wokwi"]]), listed=False)
