"""Scenarios: Wokwi's automation format, version 1 (docs.wokwi.com/wokwi-ci/automation-scenarios).

Every step and every option of it is read; what is not in it is a fault with its line. Beyond it
there is one thing, `tags: [local]`: the scenario asks for what Wokwi's simulator has not (a part
whose name begins with `$`, a picture of an LED), and runs on the local board only.
"""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    field_validator,
    model_validator,
)

from motekit.wokwi.located import Located, read_yaml, unknown

LOCAL = "local"
_TIME = re.compile(r"(\d+(?:\.\d*)?)\s*(ns|us|ms|s)|0(?:\.?0*)", re.I)
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def seconds(text: str) -> float:
    """A time such as `500ms`. Raises ValueError."""
    written = _TIME.fullmatch(text.strip())
    if not written:
        raise ValueError(f"{text!r} is no time: write it with its unit, like 500ms or 2s")
    return float(written[1]) * _SECONDS[written[2].lower()] if written[1] else 0.0


def _with_unit(value: Any) -> Any:
    if isinstance(value, int | float):
        raise ValueError(f"{value} has no unit: write {value}ms or {value}s")
    return value


def _is_time(text: str) -> str:
    seconds(text)
    return text


def _is_picture(text: str) -> str:
    """Check the path of a picture. A scenario may be a stranger's: it names no other files."""
    if not text.isprintable() or not text.lower().endswith(".png"):
        raise ValueError(f"{text!r} is no picture: give the path of a .png file")
    if text.startswith("~") or PurePosixPath(text).is_absolute() or PureWindowsPath(text).anchor:
        raise ValueError(f"{text!r} is absolute: give a path relative to the scenario")
    return text


def _is_inside(text: str) -> str:
    if ".." in PureWindowsPath(_is_picture(text)).parts:
        raise ValueError(f"{text!r} leaves the folder of the scenario: give a path without ..")
    return text


def _is_beside(text: str) -> str:
    # Projects that lie beside each other share their pictures, as in `../pictures/led.png`.
    if ".." in PureWindowsPath(_is_picture(text)).parts[1:]:
        raise ValueError(f"{text!r} leads too far: give a path in the folder or right beside it")
    return text


Time = Annotated[str, BeforeValidator(_with_unit), AfterValidator(_is_time)]
SavedPicture = Annotated[str, AfterValidator(_is_inside)]
KnownPicture = Annotated[str, AfterValidator(_is_beside)]
Byte = Annotated[int, Field(ge=0, le=255)]
PartId = Annotated[str, Field(alias="part-id", min_length=1)]


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Delay(RootModel[Time]):
    """Let the board run for so long."""


class WaitSerial(RootModel[Annotated[str, Field(min_length=1)]]):
    """Wait until the board has said this."""


class WriteSerial(RootModel[str | Annotated[list[Byte], Field(min_length=1)]]):
    """Send a text, or bytes, to the board."""

    @property
    def data(self) -> bytes:
        return self.root.encode() if isinstance(self.root, str) else bytes(self.root)


class ExpectChipOutput(RootModel[Annotated[str, Field(min_length=1)]]):
    """Wait until a chip has logged this; here, what `$` parts tell."""


# Wokwi calls both names `name`, and still takes the older ones, which its documentation has.
def _named(older: str) -> Any:
    return Field(validation_alias=AliasChoices("name", older), min_length=1)


def _once(older: str, data: Any) -> Any:
    if isinstance(data, dict) and {"name", older} <= data.keys():
        raise ValueError(f"name and {older} are the same: give one of them")
    return data


class SetControl(_Step):
    """Turn something of a part."""

    part: PartId
    control: str = _named("control")
    value: float

    _one_name = model_validator(mode="before")(lambda data: _once("control", data))


class ExpectPin(_Step):
    """The level of a pin, now."""

    part: PartId
    pin: str = _named("pin")
    value: Annotated[int, Field(ge=0, le=1)]

    _one_name = model_validator(mode="before")(lambda data: _once("pin", data))

    @field_validator("pin", mode="before")
    @classmethod
    def _a_number_is_a_name(cls, pin: Any) -> Any:
        return str(pin) if isinstance(pin, int) else pin

    @model_validator(mode="before")
    @classmethod
    def _an_old_example(cls, data: Any) -> Any:
        if isinstance(data, dict) and "expected" in data:
            raise ValueError("the level is called `value`: wokwi-cli does not look at `expected`")
        return data


class TakeScreenshot(_Step):
    """Take a picture of a part.

    Paths are relative to the scenario: `save-to` stays in its folder, `compare-with` may be in one
    right beside it.
    """

    part: PartId
    save_to: SavedPicture | None = Field(default=None, alias="save-to")
    compare_with: KnownPicture | None = Field(default=None, alias="compare-with")

    @model_validator(mode="after")
    def _for_something(self) -> "TakeScreenshot":
        if not self.save_to and not self.compare_with:
            raise ValueError("give `save-to` or `compare-with`, or both")
        return self


class TouchPress(_Step):
    part: PartId
    x: float
    y: float


class TouchMove(TouchPress):
    pass


class TouchRelease(_Step):
    part: PartId


class Touch(TouchPress):
    duration: Time = "50ms"
    wait: bool = False


Action = (
    Delay | WaitSerial | WriteSerial | ExpectChipOutput | SetControl | ExpectPin
    | TakeScreenshot | Touch | TouchPress | TouchMove | TouchRelease
)  # fmt: skip
STEPS: dict[str, type[Action]] = {
    "delay": Delay,
    "wait-serial": WaitSerial,
    "write-serial": WriteSerial,
    "expect-chip-output": ExpectChipOutput,
    "set-control": SetControl,
    "expect-pin": ExpectPin,
    "take-screenshot": TakeScreenshot,
    "touch": Touch,
    "touch-press": TouchPress,
    "touch-move": TouchMove,
    "touch-release": TouchRelease,
}


@dataclass(frozen=True)
class Step:
    """One step: what to do, its name where it has one, and its line in the file."""

    action: Action
    name: str
    line: int


class _Head(_Step):
    name: str = Field(min_length=1)
    version: Literal[1]
    author: str = ""
    tags: list[Literal["local"]] = []
    steps: list[dict[str, Any]] = Field(min_length=1)


@dataclass(frozen=True)
class Scenario:
    """A scenario; with `local` it is not for Wokwi's own simulator."""

    file: Path
    name: str
    local: bool
    steps: tuple[Step, ...]


def read(file: Path) -> Scenario:
    """Raises ProjectError."""
    located = read_yaml(file)
    if not isinstance(located.data, dict):
        raise located.error("a scenario begins with its name, version and steps")
    head = located.validated(_Head)
    steps = tuple(_step(located, number, one) for number, one in enumerate(head.steps))
    local = LOCAL in head.tags
    for number, step in enumerate(steps):
        part = getattr(step.action, "part", "")
        if part.startswith("$") and not local:
            text = f"only the local board has a {part}: tag the scenario with `tags: [local]`"
            raise located.error(text, "steps", number)
    return Scenario(file, head.name, local, steps)


def _step(located: Located, number: int, entry: dict[str, Any]) -> Step:
    place = ("steps", number)
    kinds = [key for key in entry if key != "name"]
    for kind in kinds:
        if kind not in STEPS:
            raise located.error(unknown(str(kind), list(STEPS)), *place, kind)
    if len(kinds) != 1:
        raise located.error(f"a step does one thing, this one {len(kinds)}", *place)
    if not isinstance(entry.get("name", ""), str):
        raise located.error("the name of a step is a text", *place, "name")
    action = located.validated(STEPS[kinds[0]], *place, kinds[0])
    return Step(action, entry.get("name", ""), located.line(*place, kinds[0]))
