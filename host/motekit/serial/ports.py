"""Serial ports with a board on them: found by their USB chip, chosen, opened, or why not."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from motekit.serial import holders

if TYPE_CHECKING:
    from serial import Serial

# ESP32 boards talk USB through one of these (usb.ids); Espressif's own is in the chip itself.
USB_CHIPS = {
    0x10C4: "Silicon Labs CP210x",
    0x1A86: "WCH CH340, CH9102",
    0x0403: "FTDI",
    0x303A: "Espressif",
}
BAUD = 115_200
# What Linux sees on USB, also where no driver has made a port of it (sysfs-bus-usb).
USB = Path("/sys/bus/usb/devices")
if sys.platform == "linux":
    DRIVERS = (
        "`sudo dmesg` says what Linux made of it; on Ubuntu 22.04 `sudo apt remove brltty` gives "
        "boards with a CH340 back"
    )
else:
    DRIVERS = "Boards with a CP210x or CH340 chip may need the driver of its maker"
UDEV_RULES = "/etc/udev/rules.d/60-mote.rules"
# A number below 73 is read before the rule that acts on the tag (systemd, 73-seat-late.rules).
UDEV_RULE = 'SUBSYSTEM=="tty", ATTRS{{idVendor}}=="{}", TAG+="uaccess"'.format(
    "|".join(f"{vendor:04x}" for vendor in USB_CHIPS)
)
UDEV_COMMAND = (
    f"echo '{UDEV_RULE}' | sudo tee {UDEV_RULES} && sudo udevadm control --reload && "
    "sudo udevadm trigger"
)
VIRTUAL = "A virtual board's port is named by `mote sim list`: give it as PORT"


class PortError(Exception):
    """No port can be used; the text says what is wrong and what to do."""


@dataclass(frozen=True)
class Port:
    """A port with a USB chip of boards. `serial_number` is the chip's, empty where it has none."""

    path: str
    chip: str
    serial_number: str


def find() -> list[Port]:
    """The ports that may have a board, by their USB vendor; in the order of their names."""
    from serial.tools.list_ports import comports

    return sorted(
        (
            Port(one.device, USB_CHIPS[one.vid], one.serial_number or "")
            for one in comports()
            if one.vid in USB_CHIPS
        ),
        key=lambda port: port.path,
    )


def missing() -> str:
    """Why `find` finds nothing, and what to do."""
    vendors = set()
    for file in USB.glob("*/idVendor"):
        with suppress(OSError, ValueError):
            vendors.add(int(file.read_text(), 16))
    if chips := [chip for vendor, chip in USB_CHIPS.items() if vendor in vendors]:
        return f"a board ({', '.join(chips)}) is plugged in, but has no port. {DRIVERS}"
    # Where the system cannot be asked, it may be the driver as well.
    drivers = "" if USB.exists() else f" {DRIVERS}."
    return (
        "no board is plugged in. If its lamp is on, its cable only charges: use a USB cable that "
        "carries data and, if the board has two sockets, the other one."
        f"{drivers} {VIRTUAL}"
    )


def choose(path: str = "") -> str:
    """`path` if it is there, else the path of the only board. Raises PortError.

    An address such as socket://host:4000 is taken as it is: opening it shows what is there.
    """
    if _is_address(path):
        return path
    found = find()
    listed = ", ".join(f"{port.path} ({port.chip})" for port in found)
    if path:
        if os.name != "nt" and not Path(path).exists():
            there = f"There is {listed}" if found else "No board is on any other"
            raise PortError(
                f"there is no port {path}. {there}; virtual boards are named by `mote sim list`"
            )
        if os.name != "nt" and not Path(path).is_char_device():
            raise PortError(f"{path} is no serial port but a file or a folder: name a port")
        return path
    if len(found) == 1:
        return found[0].path
    if found:
        raise PortError(f"{len(found)} boards are plugged in: {listed}. Say which, as PORT")
    raise PortError(missing())


@contextmanager
def opened(path: str, timeout_s: float = 1) -> Iterator["Serial"]:
    """The open port, for us alone, without a reset of the board. Raises PortError."""
    import serial

    try:
        if _is_address(path):
            port = serial.serial_for_url(path, BAUD, timeout=timeout_s)
        else:
            port = serial.Serial(path, BAUD, timeout=timeout_s, exclusive=True)
    except (OSError, ValueError) as error:
        raise refusal(path, error) from error
    try:
        others = holders.of(path)
        if others:
            raise PortError(_busy(path, others))
        yield port
    finally:
        # In this order the lines do not pull the board's reset (EN) on their way.
        with suppress(OSError):
            port.rts = False
            port.dtr = False
        port.close()


def refusal(path: str, error: OSError | ValueError) -> PortError:
    """Why `path` could not be opened, and what to do, whichever program tried."""
    if _is_address(path):
        return PortError(f"{path} cannot be reached ({error}): is the serial server running there?")
    number = error.errno if isinstance(error, OSError) else None
    others = holders.of(path)
    if number == errno.EACCES or (number is None and not os.access(path, os.R_OK | os.W_OK)):
        return PortError(f"no permission for {path}. {_permission(path)}")
    if others or number in (errno.EBUSY, errno.EAGAIN):
        return PortError(_busy(path, others))
    return PortError(f"{path} cannot be opened: {error}. Unplug the board and plug it in again")


def permission(path: str) -> str:
    """What to do for being allowed to use the port; empty for who is."""
    return "" if os.access(path, os.R_OK | os.W_OK) else _permission(path)


def _is_address(path: str) -> bool:
    """Whether `path` is a serial port over a network (pyserial, URL handlers), not of this one."""
    return "://" in path


def _busy(path: str, others: list[holders.Holder]) -> str:
    if not others:
        return (
            f"{path} is in use by another program. Close it (a serial monitor, an editor, "
            f"mpremote); `sudo lsof {path}` names it"
        )
    names = " and ".join(f"{one.name} (process {one.process})" for one in others)
    if any(one.name == "ModemManager" for one in others):
        return (
            f"{path} is in use by {names}, which takes new ports for a modem. Try again in a few "
            "seconds; `sudo systemctl disable --now ModemManager` stops it for good"
        )
    return f"{path} is in use by {names}. Close it, or end it with `kill {others[0].process}`"


def _permission(path: str) -> str:
    if sys.platform != "linux":
        return "Run the command as a user who may use it"
    import grp
    import pwd

    file = Path(path).stat()
    user = pwd.getpwuid(os.getuid()).pw_name
    try:
        group = grp.getgrgid(file.st_gid)
    except KeyError:
        return f"Let udev give boards to whoever sits at this computer: {UDEV_COMMAND}"
    if user in group.gr_mem and group.gr_gid not in os.getgroups():
        return f"{user} joined the group {group.gr_name} after this login: log out and in again"
    return (
        f"Join its group with `sudo usermod -aG {group.gr_name} $USER`, then log out and in again. "
        f"Or let udev give boards to whoever sits at this computer: {UDEV_COMMAND}"
    )
