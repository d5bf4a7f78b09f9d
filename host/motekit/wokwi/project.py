"""A Wokwi project: `wokwi.toml` and what it leads to (docs.wokwi.com/vscode/project-config)."""

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from motekit.image import filesystem
from motekit.wokwi.located import Located, ProjectError, read_toml, text_of

TOML, DIAGRAM, FLASHER_ARGS = "wokwi.toml", "diagram.json", "flasher_args.json"
SCENARIOS = "*.test.yaml"
# Scenarios of several projects lie in one folder beside them.
SHARED = "scenarios"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Wokwi(_Strict):
    version: Literal[1]
    firmware: str
    elf: str | None = None
    gdb_server_port: int | None = Field(default=None, alias="gdbServerPort")
    serial_port: int | None = Field(default=None, alias="rfc2217ServerPort")
    vcd_file: str | None = Field(default=None, alias="vcdFile")


class _Forward(_Strict):
    source: str = Field(alias="from", pattern=r"^[\w.-]+:\d{1,5}$")
    target: str = Field(alias="to", pattern=r"^target:\d{1,5}$")


class _Net(_Strict):
    forward: list[_Forward] = []


class _Chip(_Strict):
    name: str
    binary: str


class _Toml(_Strict):
    wokwi: _Wokwi
    net: _Net = _Net()
    chip: list[_Chip] = []


@dataclass(frozen=True)
class Project:
    """A folder with a `wokwi.toml`; `diagram` is the file of the circuit."""

    folder: Path
    firmware: Path
    diagram: Path
    config: Located

    def scenarios(self) -> list[Path]:
        """Those of the project, and those that it shares with its neighbours."""
        shared = self.folder.resolve().parent / SHARED
        return sorted(
            [*self.folder.glob(SCENARIOS), *shared.glob(SCENARIOS)], key=lambda file: file.name
        )

    def flash(self, size: int) -> bytes:
        """What `firmware` puts into a flash of `size` bytes. Raises ProjectError."""
        try:
            if not self.firmware.is_file():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.firmware)
            if self.firmware.name == FLASHER_ARGS:
                return _put_together(self.firmware, size)
            data = self.firmware.read_bytes()
        except OSError as error:
            raise self.config.error(
                f"the firmware {error.filename} cannot be read: {error.strerror}; make it with "
                f"`mote image --flasher-args {self.firmware.parent}` and the right --board",
                "wokwi", "firmware",
            ) from None  # fmt: skip
        return data


def read(folder: Path, diagram: Path | None = None) -> Project:
    """The project in `folder`; `diagram` replaces its `diagram.json`. Raises ProjectError."""
    file = folder / TOML
    if not file.is_file():
        raise ProjectError(f"{TOML} not found in {folder.resolve()}: give the folder of a project")
    config = read_toml(file)
    settings = config.validated(_Toml)
    if settings.chip:
        raise config.error("chips in WebAssembly run in Wokwi only", "chip", 0)
    firmware = (folder / settings.wokwi.firmware).resolve()
    return Project(folder, firmware, folder / (diagram or DIAGRAM), config)


def _section(file: Path, name: str) -> Path:
    """Return the file of a section, which is in the folder of `file`. Raises ProjectError."""
    folder = file.parent.resolve()
    found = (folder / name).resolve()
    if not found.is_relative_to(folder):
        raise ProjectError(
            f"{file}: {name!r} is outside of {folder}: a section is a file in the same folder"
        )
    return found


def _put_together(file: Path, size: int) -> bytes:
    """The flash that the sections of an ESP-IDF `flasher_args.json` make."""
    flash = filesystem.blank(size)
    try:
        sections = json.loads(text_of(file))["flash_files"].items()
        for offset, name in sections:
            data = _section(file, name).read_bytes()
            start = int(offset, 16)
            if start + len(data) > size:
                raise ProjectError(f"{file}: {name} does not fit into {size >> 20} MB of flash")
            flash[start : start + len(data)] = data
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ProjectError(f"{file}: is no flasher_args.json: {error!r}") from None
    return bytes(flash)
