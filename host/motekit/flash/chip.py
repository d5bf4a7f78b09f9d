"""A chip in its download mode, through esptool: who it is, and its flash."""

import contextlib
import hashlib
import re
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from motekit.flash import problems
from motekit.flash.progress import Step, reported
from motekit.image import Part, partitions

# After `progress`, whose logger esptool takes over when it is imported.
from esptool import cmds  # isort: skip
from esptool.util import FatalError, flash_size_bytes  # isort: skip

if TYPE_CHECKING:
    from esptool.loader import ESPLoader

SUPPORTED = ("ESP32", "ESP32-S3", "ESP32-C3", "ESP32-C6")
# What the ROM of every chip speaks; also the rate of the log.
ROM_BAUD = 115200
SECTOR = 4096
_BLANK = hashlib.md5(b"\xff" * SECTOR).hexdigest()
# The partition table, which is on any flash that was ever written, and is written again.
_LANDMARK = partitions.OFFSET
_SMALLEST = 1 << 20


class LineError(Exception):
    """The line failed, not the board; worth a second attempt at a lower rate."""


class DamagedError(LineError):
    """What was written is not what the flash holds: lost on the way, or a broken flash."""


class Chip:
    """One chip that listens. `name` as in the board profiles, `mac` twelve capital hex digits."""

    def __init__(self, esp: "ESPLoader", port: Any) -> None:
        self._esp = esp
        self._port = port
        self.name: str = esp.CHIP_NAME.replace("-", "")
        self.mac = "".join(f"{byte:02X}" for byte in esp.read_mac())

    @classmethod
    def listening(cls, name: str, port: Any, baud: int) -> "Chip":
        """The chip at the open `port` called `name`, with esptool's helper running at `baud`.

        Raises FlashError, and LineError when only the line is bad.
        """
        try:
            esp = cmds.detect_chip(port, ROM_BAUD)
        except (FatalError, OSError) as error:
            raise _not_listening(name, error) from error
        if esp.CHIP_NAME not in SUPPORTED:
            raise problems.unsupported(esp.CHIP_NAME)
        with _line():
            if (
                esp.secure_download_mode
                or esp.get_secure_boot_enabled()
                or esp.get_flash_encryption_enabled()
            ):
                raise problems.locked(esp.CHIP_NAME)
            esp = cmds.run_stub(esp)
            if baud != ROM_BAUD:
                esp.change_baud(baud)
            cmds.attach_flash(esp)
            if told := cmds.detect_flash_size(esp):
                esp.flash_set_parameters(flash_size_bytes(told))
            return cls(esp, port)

    def flash_size(self, said: int = 0) -> int:
        """Bytes of flash: what it says, or `said` where it says nothing, measured.

        A flash smaller than it says ignores the upper half of an address, and so repeats itself.
        Raises FlashError, LineError.
        """
        with _line():
            told = cmds.detect_flash_size(self._esp)
        if told is None and not said:
            raise problems.unknown_flash_size()
        size = flash_size_bytes(told) if told else said
        if self.blank():
            # Make it tell the places apart.
            self.write(Part("landmark", _LANDMARK, secrets.token_bytes(SECTOR)), lambda *_: None)
        landmark = self.digest(_LANDMARK, SECTOR)
        while size > _SMALLEST and self.digest(_LANDMARK + size // 2, SECTOR) == landmark:
            size //= 2
        return int(size)

    def blank(self) -> bool:
        """Whether nothing was ever written on it, or all was erased. Raises LineError."""
        return self.digest(_LANDMARK, SECTOR) == _BLANK

    def digest(self, offset: int, size: int) -> str:
        """MD5 of a part of the flash, computed by the board. Raises LineError."""
        with _line():
            return str(self._esp.flash_md5sum(offset, size))

    def read(self, offset: int, size: int) -> bytes:
        """A part of the flash. Raises LineError, always where esptool's helper does not run."""
        with _line():
            return bytes(self._esp.read_flash(offset, size))

    def holds(self, part: Part) -> bool:
        """Whether the flash holds `part` already. Raises LineError."""
        return self.digest(part.offset, len(part.data)) == hashlib.md5(part.data).hexdigest()

    def erase(self) -> None:
        """Erase all of it: some ten seconds. Raises LineError."""
        with _line():
            cmds.erase_flash(self._esp)

    def write(self, part: Part, step: Step) -> None:
        """Write and verify `part`; `step` is told bytes done and in all.

        Raises LineError.
        """

        def scaled(done: int, total: int) -> None:
            # esptool counts what goes over the wire, which is compressed.
            step(len(part.data) * done // (total or 1), len(part.data))

        with _line(), reported(scaled):
            cmds.write_flash(self._esp, [(part.offset, part.data)])
        step(len(part.data), len(part.data))

    def restart(self) -> None:
        """Reset into what is written, at the rate of the log. Raises LineError."""
        with _line():
            cmds.reset_chip(self._esp)
            if self._port.is_open:
                self._port.baudrate = ROM_BAUD


def _not_listening(name: str, error: Exception) -> problems.FlashError:
    text = str(error)
    if "Wrong boot mode" in text:
        return problems.said(b"boot:0x0 (", "download-mode") or problems.silent(name)
    if "TX path" in text:
        return problems.said(b"waiting for download", "line") or problems.silent(name)
    if "Failed to autodetect chip type" in text:
        return problems.unsupported("unknown chip")
    return problems.silent(name)


@contextlib.contextmanager
def _line() -> Iterator[None]:
    """What esptool raises about the wire becomes LineError, in one short sentence."""
    try:
        yield
    except (FatalError, OSError) as error:
        if re.search("MD5 of file does not match|flash region is empty", str(error)):
            raise DamagedError("what was written is not what the flash holds") from error
        raise LineError(_short(str(error))) from error


def _short(text: str) -> str:
    """The first line of what esptool says, without the address of its manual."""
    line = text.strip().splitlines()[0].split(" This can have many causes")[0].rstrip(".")
    return line + ")" * (line.count("(") - line.count(")"))
