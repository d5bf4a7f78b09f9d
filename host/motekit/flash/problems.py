"""What goes wrong between a computer and a board, each with its own words and its remedy."""

import errno
import re

HOLD_BOOT = (
    "hold the button BOOT (or connect GPIO 0, on C3 and C6 GPIO 9, to GND), press and let go of "
    "RESET, let go of BOOT, and run the command again"
)
AGAIN = "run the same command again: it finishes the job, and settings are not lost"


class FlashError(Exception):
    """Flashing failed. `kind` is a stable word for programs, the text says what to do."""

    def __init__(self, kind: str, what: str, remedy: str) -> None:
        super().__init__(f"{what}. Remedy: {remedy}.")
        self.kind = kind
        self.what = what
        self.remedy = remedy


# What a board says on its serial line when it cannot go on: kind, pattern, what, remedy. The
# first three texts are of Espressif's ROM and bootloader, the fourth of MicroPython's _boot.py.
SAID = (
    (
        "brown-out",
        rb"Brownout detector was triggered",
        "the board's supply breaks down and it starts over and over",
        "use a shorter or thicker USB cable, a port of the computer itself instead of a hub, and "
        "take sensors off the board",
    ),
    (
        "flash-unreadable",
        rb"invalid header: 0x|flash read err|No bootable app",
        "the chip finds nothing to start in its flash",
        "run the command again with --erase; when that does not help, the flash is broken",
    ),
    (
        "file-system",
        rb"filesystem appears to be corrupted",
        "the board cannot read its file system",
        "run the command again with --erase: it makes everything anew",
    ),
    (
        "line",
        rb"waiting for download",
        "the board is ready to be written, but does not hear this computer",
        "take off whatever is connected to its pins TX and RX, or try another cable",
    ),
    (
        "download-mode",
        rb"boot:0x[0-9a-fA-F]+ \(",
        "the board starts its program instead of letting itself be written",
        HOLD_BOOT,
    ),
)


def said(wire: bytes, *kinds: str) -> FlashError | None:
    """The problem that a board tells of on the wire, the gravest first; only `kinds` if given."""
    for kind, pattern, what, remedy in SAID:
        if (not kinds or kind in kinds) and re.search(pattern, wire):
            return FlashError(kind, what, remedy)
    return None


def silent(port: str) -> FlashError:
    """Nothing that answers as an ESP32 does is at `port`."""
    return FlashError(
        "no-answer",
        f"no ESP32 answers at {port}",
        f"if it is an ESP32, {HOLD_BOOT}; if it is another device, say which port the board has",
    )


def wrong_chip(chip: str, wanted: str) -> FlashError:
    return FlashError(
        "wrong-chip",
        f"this board has the chip {chip}, but {wanted} is for another one",
        "leave --board and --firmware out, or name those for this chip: mote firmware --list",
    )


def unsupported(chip: str) -> FlashError:
    return FlashError(
        "wrong-chip",
        f"the chip is an {chip}, which Mote does not run on",
        "use a board with an ESP32, ESP32-S3, ESP32-C3 or ESP32-C6",
    )


def locked(chip: str) -> FlashError:
    return FlashError(
        "locked",
        f"this {chip} is locked (secure boot, flash encryption or secure download mode)",
        "use another board: what its maker locked cannot be opened again",
    )


def unknown_flash_size() -> FlashError:
    return FlashError(
        "flash-size",
        "the board does not tell the size of its flash",
        "look at the print on its module (N4 is 4 MB, N8 is 8 MB) and give --flash-size 4MB",
    )


def flash_too_small(wanted: int, there: int) -> FlashError:
    return FlashError(
        "flash-size",
        f"this board has {there >> 20} MB of flash, not {wanted >> 20} MB",
        "leave --flash-size out: mote flash measures it",
    )


def unreadable_settings(why: str) -> FlashError:
    return FlashError(
        "settings",
        f"the settings of the board cannot be read ({why}), and would be lost",
        "run the command again; or, when they may go, with --erase",
    )


def not_ours(holds: str) -> FlashError:
    return FlashError(
        "not-ours",
        f"the board is no board of Mote: it holds {holds}",
        "if all of that may be erased, run the command again with --erase",
    )


def line_failed(why: str) -> FlashError:
    return FlashError(
        "line",
        f"the connection to the board broke off: {why}",
        f"check cable and plug, avoid hubs, then {AGAIN}",
    )


def damaged() -> FlashError:
    return FlashError(
        "verify",
        "what was written is not what the flash holds",
        f"{AGAIN}; when it fails again, the flash of this board is worn out or broken",
    )


def not_started(wire: bytes, seconds: float) -> FlashError:
    """Written, but no boot line: what the board said instead, if anything."""
    lines = [line for line in wire.decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return FlashError(
            "not-started",
            f"everything is written and verified, but the board said nothing for {seconds:g} s",
            "press its button RESET, or unplug it and plug it in again",
        )
    return FlashError(
        "not-started",
        f"everything is written and verified, but the board did not start within {seconds:g} s; "
        f"it said last: {' | '.join(lines[-3:])}",
        "press its button RESET and look at its log with mote monitor",
    )


def no_room(error: OSError) -> FlashError | None:
    """The disk of this computer is full, if it is that."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    where = f" ({error.filename})" if error.filename else ""
    return FlashError(
        "disk-full",
        f"the disk of this computer is full{where}",
        "make room, and run the same command again",
    )
