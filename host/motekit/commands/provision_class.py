"""`mote provision --csv`: the boards of a class, one after the other as they are plugged in."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from motekit import private_files, terminal
from motekit.commands import label as labels
from motekit.exits import FAILED, STOPPED, complain, fail, reason
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.provision import Provisioned
    from motekit.provision.fleet import Fleet
    from motekit.provision.journal import Entry
    from motekit.provision.logins import Logins


def run(
    csv: Path,
    given: list[str],
    common: dict[str, Any],
    accounts: "Logins | None",
    folder: Path | None,
    firmware: Path | None,
    wait: float,
    as_json: bool,
) -> None:
    """Serve the boards at the `given` ports, or each that is plugged in until no row is left.

    Raises SettingsError, typer.Exit.
    """
    from motekit.provision import fleet, journal

    rows = fleet.rows(csv, common, _say)
    place = folder or csv.with_suffix(".labels")

    def label(entry: "Entry") -> None:
        place.mkdir(parents=True, exist_ok=True)
        labelled(place / f"{entry.id}.pdf", entry.id, entry.mac, entry.setup_password)

    try:
        with journal.opened(csv) as book:
            work = fleet.Fleet(rows, book, accounts, _flasher(firmware), label, wait)
            failed = _served(work, given, as_json)
    except journal.JournalError as error:
        fail(error)
    except KeyboardInterrupt:
        complain("stopped; the same command goes on where it was")
        raise typer.Exit(STOPPED) from None
    if failed:
        raise typer.Exit(FAILED)
    _say(f"Labels are in {place}; a sheet of them: mote label labels.pdf --csv {csv}")


def labelled(file: Path, name: str, mac: str, setup_password: str) -> None:
    """Write the label of one board. Raises typer.Exit."""
    from motekit.labels import Label, LabelError, render

    kind = file.suffix.removeprefix(".").lower()
    try:
        data = render([Label(name, mac, setup_password, labels.address(name))], kind)
        private_files.write(file, data)
    except LabelError as error:
        fail(error)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}. Name a folder that is there")


def _served(work: "Fleet", given: list[str], as_json: bool) -> bool:
    """Whether a board failed and was not done in a later attempt."""
    from motekit.provision import fleet
    from motekit.serial import PortError, ports

    failed: set[str] = set()
    total = len(work.rows)
    try:
        waiting = iter([ports.choose(one) for one in given]) if given else fleet.plugged(_present)
    except PortError as error:
        fail(error)
    while given or work.left:
        left = work.left
        if not given:
            _say(f"{total - len(left)} of {total} done; plug in the board for {left[0]}")
        port = next(waiting, None)
        if port is None:
            break
        done = _tried(work, port)
        if isinstance(done, str):
            failed.add(port)
            complain(f"{port}: {done}")
            continue
        failed.discard(port)
        if done and as_json:
            print_json(asdict(done))
        elif done:
            echo(f"{port}: {done.id} is ready ({done.mac}). You can unplug it")
    return bool(failed)


def _tried(work: "Fleet", port: str) -> "Provisioned | str | None":
    """What became of the board at `port`; why not, as text."""
    from motekit import boards, image
    from motekit import firmware as tree
    from motekit.credentials import AccountError
    from motekit.flash import FlashError
    from motekit.provision import DeviceError, SettingsError
    from motekit.provision.journal import JournalError
    from motekit.serial import PortError
    from motekit.serial.remote import RemoteError

    known = (DeviceError, SettingsError, RemoteError, JournalError, PortError, AccountError)
    of_flashing = (FlashError, image.ImageError, tree.FirmwareError, boards.BoardError, OSError)
    try:
        return work.serve(port, lambda text: _say(f"{port}: {text}"))
    except (*known, *of_flashing) as error:
        return reason(error)


def _flasher(firmware: Path | None) -> Callable[[str, str], object]:
    from motekit.commands import runtimes

    runtime = runtimes.Shared(firmware, "")

    def flashed(port: str, board: str) -> object:

        from motekit.flash import Wish, display, flash
        from motekit.serial import ports

        with display.on(terminal.console(stderr=True), asks=sys.stdin.isatty()) as shown:
            return flash(port, ports.opened, Wish(runtime, board), shown.watch(port))

    return flashed


def _present() -> list[str]:
    from motekit.serial import ports

    return [port.path for port in ports.find()]


def _say(text: str) -> None:
    echo(text, err=True)
