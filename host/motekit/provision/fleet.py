"""Provisions a class of boards out of a CSV: whichever is plugged in gets the next row.

A row is claimed for the MAC of a board before anything of it is written, so whatever is
interrupted, the same board gets the same row again, and no other board does.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mote
from mote.update import versions

from motekit import boards, csv_files
from motekit.firmware import factory
from motekit.provision import board, device, settings
from motekit.provision.board import Provisioned
from motekit.provision.journal import Entry, Journal, JournalError
from motekit.provision.logins import Logins
from motekit.provision.settings import SettingsError

# The one column that is no setting: a key of provisioning/boards.
BOARD = "board"
LOOK_S = 0.25
# Once for what is on it, once more when it turns out to be the board of another row.
FLASHES = 2
Says = Callable[[str], None]
# Flashes the board at a port as the one of this key in provisioning/boards; empty for as it is.
Flasher = Callable[[str, str], object]


@dataclass(frozen=True)
class Row:
    """A row, checked: its configuration, and the board that it is for, empty for any."""

    document: dict[str, Any]
    board: str = ""

    @property
    def id(self) -> str:
        return str(self.document["id"])


def rows(path: Path, common: dict[str, Any], note: Says = lambda _: None) -> list[Row]:
    """All rows of a CSV, each over `common`; an empty field says nothing. Raises SettingsError.

    `note` is told what a person should look at.
    """
    try:
        table = csv_files.read(path)
        header, records = csv_files.records(path, table)
    except csv_files.CsvError as error:
        raise SettingsError(str(error)) from error
    for name in header:
        if name != BOARD and not settings.is_known(name):
            raise SettingsError(
                f"{path}:{table.rows[0].line}: there is no setting {name!r}. The first line names "
                f"settings, such as id, interval, wifi.0.ssid, mqtt.host, or {BOARD}"
            )
    if table.guessed and any(not field.isascii() for row in table.rows for field in row.fields):
        note(f"{path} is read {table.guessed}: save it as CSV UTF-8 where letters come out wrong")
    found = [_row(f"{path}:{one.line}", one.fields, common, note) for one in records]
    names = [row.id for row in found]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"{path}: two rows have the id {name}; each board needs its own")
    if not found:
        raise SettingsError(f"{path} has no rows below its first line, which names the settings")
    return found


def _row(place: str, fields: dict[str, str], common: dict[str, Any], note: Says) -> Row:
    key = fields.get(BOARD, "").strip()
    values = {}
    for name, text in fields.items():
        if name == BOARD:
            continue
        if settings.is_free_text(name):
            if text != text.strip():
                note(f"{place}: {name} has blanks around it, which are kept")
        else:
            text = text.strip()
        if text:
            values[name] = text
    try:
        if key:
            boards.profile(key)
        return Row(settings.checked(settings.overlaid(common, values)), key)
    except (SettingsError, boards.BoardError) as error:
        raise SettingsError(f"{place}: {error}") from error


class Fleet:
    """A CSV at work, one board after the other."""

    def __init__(
        self,
        rows: list[Row],
        journal: Journal,
        accounts: Logins | None,
        flasher: Flasher,
        label: Callable[[Entry], None],
        wait_s: float = device.BOOT_S,
    ) -> None:
        """`label` makes the label of a board that is otherwise done. Raises SettingsError."""
        self.rows = rows
        self._journal = journal
        self._accounts = accounts
        self._flasher = flasher
        self._label = label
        self._wait_s = wait_s
        foreign = set(accounts.names()) - journal.taken() if accounts else set()
        if accounts and (names := sorted(foreign & {row.id for row in rows})):
            raise SettingsError(
                f"{', '.join(names)}: other devices have these logins. Give the rows other ids, "
                f"or, if those devices are gone: {accounts.remove_command} {names[0]}"
            )

    @property
    def left(self) -> list[str]:
        """The ids of the rows that are not done, in their order."""
        done = self._journal.done()
        return [row.id for row in self.rows if row.id not in done]

    def serve(self, port: str, says: Says) -> Provisioned | None:
        """Do all that is to do for the board at `port`; None for one that is done already.

        Raises what `provision` raises, JournalError, and what flasher and label raise.
        """
        for left in range(FLASHES, -1, -1):
            says("connecting")
            try:
                with device.at(port) as there:
                    seen = there.look()
                    row = self._row(seen.mac)
                    current = not versions.older(seen.version, mote.__version__)
                    if current and row.board in ("", seen.board):
                        return self._served(there, seen, row, says)
            except device.DeviceError as error:
                if error.kind not in ("not-ours", "too-old"):
                    raise
                row = self._row("")
            if left:
                says("flashing")
                self._flasher(port, row.board)
        raise device.DeviceError("flash", f"the board at {port} is not what was flashed: try again")

    def _served(
        self, there: device.Device, seen: device.Seen, row: Row, says: Says
    ) -> Provisioned | None:
        entry = self._journal.of(seen.mac)
        if entry and entry.done and seen.id == entry.id:
            says(f"it is {entry.id} already")
            return None
        # It was done once: its login is its own, whatever became of its settings.
        known = bool(entry and entry.done)
        if entry is None:
            entry = self._journal.claim(seen.mac, row.id, factory.new_password())
        says(f"it becomes {row.id}")
        done = board.provision(
            there,
            row.document,
            self._accounts,
            entry.setup_password,
            says,
            self._wait_s,
            known=known,
        )
        entry.setup_password = done.setup_password
        self._label(entry)
        self._journal.finish(entry, done.setup_password)
        return done

    def _row(self, mac: str) -> Row:
        """The row of this board, or the next that nobody has."""
        entry = self._journal.of(mac)
        taken = self._journal.taken()
        for row in self.rows:
            if row.id == entry.id if entry else row.id not in taken:
                return row
        if entry:
            raise JournalError(
                f"the board {mac} is {entry.id}, which the CSV no longer has: put its row back"
            )
        raise JournalError("every row has its board: add rows for more boards")


def plugged(present: Callable[[], list[str]]) -> Iterator[str]:
    """The ports of boards as each is plugged in, those first that are; for ever."""
    served: set[str] = set()
    while True:
        there = present()
        served &= set(there)
        new = next((port for port in there if port not in served), None)
        if new is None:
            time.sleep(LOOK_S)
            continue
        yield new
        served.add(new)
