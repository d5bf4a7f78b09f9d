"""The boards that Mote knows, from `provisioning/boards/*.toml`: the one place where pins stand."""

import re
from functools import cache
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from motekit import documents, places

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


def flash_bytes(text: object) -> int:
    """The bytes of a flash whose size is written like 4MB. Raises ValueError."""
    written = re.fullmatch(r"(\d{1,3})\s?MB", str(text).upper())
    if not written or not 1 <= int(written[1]) <= 128:
        raise ValueError(f"{text!r} is no size of a flash: write it like 4MB")
    return int(written[1]) << 20


class MicroPython(BaseModel):
    """The official image of a chip: its name and release in the address it is downloaded from.

    `sha256` is of the file as downloaded, None where nobody has pinned it yet.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^\w+$")
    release: str = Field(pattern=r"^\d{8}-v[\w.-]+$")
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")

    @property
    def file(self) -> str:
        return f"{self.name}-{self.release}.bin"


class Profile(BaseModel):
    """One board. `txpower` in dBm, where the board's antenna cannot stand full power.

    `flash_size` in bytes, written like 8MB. `micropython` stands in the default board of a chip,
    and in one that needs an image of its own: see `micropython()`.
    """

    model_config = ConfigDict(extra="forbid")

    key: str
    name: str
    chip: Literal["ESP32", "ESP32S3", "ESP32C3", "ESP32C6"]
    default: bool = False
    pins: Pins
    led: Led
    txpower: float | None = Field(default=None, ge=2, le=20)
    flash_size: Annotated[int, BeforeValidator(flash_bytes)] = 4 << 20
    micropython: MicroPython | None = None

    def on_device(self) -> dict[str, object]:
        """What `mote/board.json` on the board says."""
        return self.model_dump(include={"key", "chip", "pins", "led", "txpower"}, exclude_none=True)


@cache
def profiles() -> dict[str, Profile]:
    """Every board by its key, which is its file's name. Raises BoardError."""
    found = {}
    for file in sorted(FOLDER.glob("*.toml")):
        try:
            found[file.stem] = Profile(key=file.stem, **documents.read_toml(file))
        except documents.DocumentError as error:
            raise BoardError(str(error)) from error
        except (ValidationError, TypeError) as error:
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


def micropython(board: Profile) -> MicroPython:
    """The official image of `board`: its own, or that of its chip. Raises BoardError."""
    found = board.micropython or default_for(board.chip.lower()).micropython
    if found is None:
        raise BoardError(
            f"no MicroPython image is known for the chip {board.chip}: write [micropython] into "
            f"{FOLDER / default_for(board.chip.lower()).key}.toml, or give `--firmware FILE`"
        )
    return found
