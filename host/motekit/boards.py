"""The boards that Mote knows, from `provisioning/boards/*.toml`: the one place where pins stand."""

import tomllib
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from motekit import places

FOLDER = places.PROVISIONING / "boards"
Gpio = Field(ge=0, le=48)


class BoardError(Exception):
    """No such board, or its profile breaks a rule; the text says what to do."""


class Pins(BaseModel):
    """GPIO numbers of the roles that the firmware looks for."""

    model_config = ConfigDict(extra="forbid")

    sda: int = Gpio
    scl: int = Gpio
    onewire: int = Gpio
    dht: int = Gpio
    # An input of ADC1: ADC2 reads nothing while WiFi is on (ESP32 datasheet, 4.1.2).
    analog: int = Gpio
    button: int = Gpio


class Led(BaseModel):
    """The LED that shows what the board does; `inverted` is lit by a low level."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["plain", "neopixel", "none"]
    pin: int = Field(default=-1, ge=-1, le=48)
    inverted: bool = False

    @model_validator(mode="after")
    def _pin_fits_kind(self) -> "Led":
        if (self.kind == "none") != (self.pin < 0):
            raise ValueError("an LED has a pin, and kind = 'none' has not")
        return self


class Profile(BaseModel):
    """One board. `txpower` in dBm, where the board's antenna cannot stand full power."""

    model_config = ConfigDict(extra="forbid")

    key: str
    name: str
    chip: Literal["ESP32", "ESP32S3", "ESP32C3", "ESP32C6"]
    default: bool = False
    pins: Pins
    led: Led
    txpower: float | None = Field(default=None, ge=2, le=20)

    def on_device(self) -> dict[str, object]:
        """What `mote/board.json` on the board says."""
        return self.model_dump(exclude={"default", "name"}, exclude_none=True)


@cache
def profiles() -> dict[str, Profile]:
    """Every board by its key, which is its file's name. Raises BoardError."""
    found = {}
    for file in sorted(FOLDER.glob("*.toml")):
        try:
            content = tomllib.loads(file.read_text(encoding="utf-8"))
            found[file.stem] = Profile(key=file.stem, **content)
        except (tomllib.TOMLDecodeError, ValidationError, TypeError) as error:
            raise BoardError(f"{file}: {error}") from error
    return found


def profile(key: str) -> Profile:
    """The board `key`. Raises BoardError that names those there are."""
    known = profiles()
    if key not in known:
        raise BoardError(f"there is no board {key!r}; there are: {', '.join(known)}")
    return known[key]


def default_for(chip: str) -> Profile:
    """The board that a bare `chip` (esp32, esp32s3, …) is taken for. Raises BoardError."""
    for one in profiles().values():
        if one.default and one.chip == chip.upper():
            return one
    raise BoardError(f"no board has the chip {chip}")
