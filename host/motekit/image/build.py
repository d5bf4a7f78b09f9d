"""Puts an image together: MicroPython, the firmware's files, and what is for one board alone."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mote

from motekit import config, firmware
from motekit.boards import Profile
from motekit.firmware import factory
from motekit.image import filesystem
from motekit.image.errors import ImageError
from motekit.image.micropython import MicroPython


@dataclass(frozen=True)
class Part:
    """Bytes that belong at `offset` in the flash."""

    name: str
    offset: int
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Image:
    """What to write onto a board: `parts` in the order of their offsets.

    `chip` as in the board profiles, `family` as Espressif writes it; `flash_size` in bytes;
    `secret` where the files hold a configuration or a password.
    """

    board: str
    chip: str
    family: str
    flash_size: int
    micropython: str
    mote: str
    parts: tuple[Part, ...]
    secret: bool

    def whole(self) -> bytes:
        """One image for offset 0, blank between the parts."""
        end = max(part.offset + len(part.data) for part in self.parts)
        flash = filesystem.blank(end)
        for part in self.parts:
            flash[part.offset : part.offset + len(part.data)] = part.data
        return bytes(flash)


def build(
    board: Profile,
    runtime: MicroPython,
    *,
    tree: Path | None = None,
    flash_size: int | None = None,
    document: dict[str, Any] | None = None,
    portal_password: str = "",
    key: bytes = b"",
) -> Image:
    """The image for `board`; the same inputs give the same bytes.

    `tree` is the folder with the board's files, made of the firmware unless given; `flash_size` in
    bytes is the profile's unless given; `document` is the configuration that the board starts with,
    `portal_password` that of its setup network, `key` the public key whose updates it takes.
    Raises ImageError, FirmwareError, ConfigError.
    """
    flash_size = flash_size or board.flash_size
    check(board, runtime, flash_size)
    region = runtime.file_system(flash_size)
    files = _content(tree or firmware.build(board, key=key))
    if document is not None:
        config.checked(document)
        files["/config.json"] = config.for_board(document).encode()
    if portal_password:
        files["/" + factory.NAME] = factory.content(portal_password)
    named = runtime.naming(region)[: region.offset - runtime.offset]
    return Image(
        board.key,
        runtime.chip,
        runtime.family,
        flash_size,
        runtime.version,
        mote.__version__,
        (
            Part("micropython", runtime.offset, named),
            Part("files", region.offset, filesystem.made(files, region.size)),
        ),
        secret=document is not None or bool(portal_password),
    )


def check(board: Profile, runtime: MicroPython, flash_size: int) -> None:
    """Raise ImageError where `runtime` is not for `board`, or its flash is too small."""
    if runtime.chip != board.chip:
        raise ImageError(
            f"this image is for the chip {runtime.chip}, but {board.name} has an {board.chip}: "
            "choose the board with `--board`, or another image"
        )
    runtime.file_system(flash_size)


def _content(tree: Path) -> dict[str, bytes]:
    return {
        "/" + file.relative_to(tree).as_posix(): file.read_bytes()
        for file in tree.rglob("*")
        if file.is_file()
    }
