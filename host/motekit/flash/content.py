"""What a board holds before it is flashed: nothing, Mote, or somebody's work; and its own files."""

import struct
from dataclasses import dataclass, field

from littlefs import LittleFS, LittleFSError, UserContext
from mote import contract, json_text

from motekit import boards
from motekit.firmware import factory
from motekit.flash.chip import SECTOR, Chip, LineError
from motekit.image import ImageError, filesystem, partitions
from motekit.image.micropython import MicroPython, Region

# ESP-IDF, esp_app_desc_t: 32 bytes into an application; its magic, version and project name.
_DESCRIPTION = struct.Struct("<I12x32s32s")
_DESCRIPTION_AT = 32
_DESCRIPTION_MAGIC = 0xABCD5432
# What a flash of Mote brings anew; every other file on a board is the board's own.
SLOTS = ("/app_a", "/app_b", "")
PACKAGES = tuple(f"{slot}/mote/" for slot in SLOTS)
PROGRAM = (*PACKAGES, "/boot.py", "/main.py", "/slots.", "/update.", "/update/")
# The board's own, whoever has it: the password on its label.
FACTORY = f"/{factory.NAME}"


@dataclass(frozen=True)
class Content:
    """`foreign` names what is there when it is not Mote's, empty when it is or when nothing is.

    `own` are the board's own files by path, `board` is the key of the profile that it has.
    """

    foreign: str = ""
    board: str = ""
    own: dict[str, bytes] = field(default_factory=dict, repr=False)


def found(chip: Chip, flash_size: int) -> Content:
    """Read only what has to be read. Raises LineError when the board cannot be read."""
    try:
        table = partitions.read(chip.read(partitions.OFFSET, SECTOR))
    except ImageError:
        return Content()
    application = next((one for one in table if one.kind == "app"), None)
    if application is None:
        return Content(foreign="a program without a name")
    start = chip.read(application.offset, SECTOR)
    magic, version, project = _DESCRIPTION.unpack_from(start, _DESCRIPTION_AT)
    if magic != _DESCRIPTION_MAGIC:
        # Half-written or erased: nothing runs there.
        return Content()
    name, version = (part.split(b"\0")[0].decode("ascii", "replace") for part in (project, version))
    if name != "micropython":
        return Content(foreign=f"{name} {version}")
    try:
        region = MicroPython(chip.name, chip.name, version, 0, table, b"").file_system(flash_size)
    except ImageError:
        return Content()
    return _files(_Remote(chip, region))


def _files(remote: "_Remote") -> Content:
    fs = LittleFS(context=remote, block_count=0, mount=False, **filesystem.GEOMETRY)

    def read(name: str) -> bytes:
        with fs.open(name, "rb") as file:
            data = bytes(file.read())
        remote.check()
        return data

    try:
        fs.mount()
        names = [f"{top.rstrip('/')}/{name}" for top, _, here in fs.walk("/") for name in here]
        remote.check()
        if not any(name.startswith(PACKAGES) for name in names):
            # `boot.py` alone is what MicroPython itself writes at its first start.
            theirs = [name for name in names if name != "/boot.py"]
            return Content(f"{len(theirs)} files of a MicroPython program" if theirs else "")
        profiles = [f"{package}board.json" for package in PACKAGES]
        board = next((_key(read(name)) for name in profiles if name in names), "")
        own = [name for name in names if not name.startswith(PROGRAM)]
        if contract.ERASE_MARK in names:
            # Its owner had it erased, and the power went before it was done.
            own = [name for name in own if name == FACTORY]
        return Content("", board, {name: read(name) for name in own})
    except LittleFSError:
        remote.check()
        # No file system, or one that is broken: MicroPython could not read it either.
        return Content()


def _key(profile: bytes) -> str:
    try:
        key = str(json_text.parse(profile)["key"])  # type: ignore[index]
    except (ValueError, KeyError, TypeError):
        return ""
    return key if key in boards.profiles() else ""


class _Remote(UserContext):
    """The blocks of a board's file system, each read when LittleFS asks for it."""

    def __init__(self, chip: Chip, region: Region) -> None:
        super().__init__(buffsize=0)
        self._chip = chip
        self._region = region
        self._blocks: dict[int, bytes] = {}
        self._error: Exception | None = None

    def read(self, cfg: object, block: int, off: int, size: int) -> bytearray:
        # LittleFS cannot pass an exception on: it is kept for `check`.
        if block not in self._blocks and self._error is None:
            try:
                self._blocks[block] = self._fetch(block)
            except Exception as error:
                self._error = error
        whole = self._blocks.get(block, b"\xff" * filesystem.BLOCK)
        return bytearray(whole[off : off + size])

    def check(self) -> None:
        """Raises what went wrong on the way."""
        if self._error:
            raise self._error

    def _fetch(self, block: int) -> bytes:
        if not 0 <= block < self._region.size // filesystem.BLOCK:
            raise LineError("its file system points outside of itself")
        return self._chip.read(self._region.offset + block * filesystem.BLOCK, filesystem.BLOCK)
