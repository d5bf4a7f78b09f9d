"""Flashes one board, from its port to the line that says it runs."""

import contextlib
import dataclasses
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from mote import contract

from motekit import boards
from motekit.boards import Profile
from motekit.firmware import factory
from motekit.flash import boot, content, problems
from motekit.flash.chip import ROM_BAUD, Chip, DamagedError, LineError
from motekit.flash.content import FACTORY, Content
from motekit.flash.progress import Step, cancellable
from motekit.flash.safekeeping import Safekeeping
from motekit.image import Image, MicroPython, build, filesystem

# Opens a serial port by its name, and closes it.
Opened = Callable[[str], AbstractContextManager[Any]]
CONFIG = "/config.json"


class Watch(Protocol):
    """Who wants to know how far it is."""

    def begins(self, what: str) -> None:
        """The next step; how long it takes is not known."""

    def progress(self, done: int, total: int) -> None:
        """Bytes written so far, and in all."""

    def note(self, text: str) -> None:
        """Something that a person should know, and that stops nothing."""

    def agrees(self, holds: str) -> bool:
        """Whether `holds`, which is not Mote's, may be erased."""


@dataclass(frozen=True)
class Wish:
    """What is wanted of a flash. `runtime` gets MicroPython for a board; sizes in bytes.

    `erase` leaves nothing of what was there. `protect` makes a password for the setup network of a
    board that has none, `password` is one of your own. `wait_s` is how long the board may take
    until it says that it runs; 0 does not wait. `key` is the public key whose updates it takes.
    """

    runtime: Callable[[Profile, Watch], MicroPython]
    board: str = ""
    flash_size: int = 0
    baud: int = 460800
    erase: bool = False
    protect: bool = True
    password: str = ""
    wait_s: float = 30
    key: bytes = b""


@dataclass(frozen=True)
class Flashed:
    """A board that is done. `network` is the name of its setup network.

    `written` of `total` bytes went over the wire (before compression), the rest was there already.
    `password` is empty where the setup network asks for none, or where the configuration says it.
    """

    port: str
    board: str
    chip: str
    mac: str
    flash_size: int
    micropython: str
    mote: str
    configured: bool
    network: str
    password: str = field(repr=False)
    written: int
    total: int
    running: bool


def flash(
    port: str,
    opened: Opened,
    wish: Wish,
    watch: Watch,
    cancelled: threading.Event | None = None,
) -> Flashed:
    """Flash the board at `port`; `opened` opens a serial port by its name.

    Raises FlashError, ImageError, FirmwareError, BoardError, and what `opened` raises; Cancelled
    as soon as `cancelled` is set. After any of them the same call finishes the job.
    """
    job = _Job(port, opened, wish, watch)
    with cancellable(cancelled or threading.Event()):
        # Also when the first rate is the lowest: a reset in the middle is healed by another go.
        rates = (wish.baud, min(wish.baud, ROM_BAUD))
        for attempt, baud in enumerate(rates, 1):
            try:
                return job.run(baud)
            except LineError as error:
                if attempt == len(rates):
                    raise job.given_up(error) from error
                watch.note(f"{error}; once more at {rates[attempt]} baud")
    raise AssertionError


class _Job:
    """What is learnt about a board in one attempt holds in the next."""

    def __init__(self, port: str, opened: Opened, wish: Wish, watch: Watch) -> None:
        self._port = port
        self._opened = opened
        self._wish = wish
        self._watch = watch
        self._image: Image | None = None
        self._own: dict[str, bytes] = {}
        self._erase = wish.erase
        self._unread = False

    def given_up(self, error: LineError) -> problems.FlashError:
        """What the last failure of the line means for the person."""
        if self._unread:
            return problems.unreadable_settings(str(error))
        if isinstance(error, DamagedError):
            return problems.damaged()
        return problems.line_failed(str(error))

    def run(self, baud: int) -> Flashed:
        with self._opened(self._port) as port:
            self._watch.begins("connecting")
            chip = self._listening(port, baud)
            safe = Safekeeping(chip.mac)
            image = self._image or self._prepared(chip, safe)
            self._image = image
            written = self._written(chip, image)
            safe.back()
            self._watch.begins("starting")
            configured = CONFIG in self._own
            # A chip with USB of its own is gone in the middle of this.
            with contextlib.suppress(LineError):
                chip.restart()
            if self._wish.wait_s:
                boot.started(port, self._wish.wait_s, setup=not configured)
        return Flashed(
            port=self._port,
            board=image.board,
            chip=image.chip,
            mac=chip.mac,
            flash_size=image.flash_size,
            micropython=image.micropython,
            mote=image.mote,
            configured=configured,
            network=contract.AP_PREFIX + chip.mac,
            password="" if configured else factory.password(self._own.get(FACTORY, b"")),
            written=written,
            total=sum(len(part.data) for part in image.parts),
            running=bool(self._wish.wait_s),
        )

    def _listening(self, port: Any, baud: int) -> Chip:
        try:
            return Chip.listening(self._port, port, baud)
        except problems.FlashError as error:
            if error.kind not in ("no-answer", "download-mode"):
                raise
            # esptool has closed it.
            with self._opened(self._port) as again:
                raise boot.diagnosed(again) or error from error

    def _prepared(self, chip: Chip, safe: Safekeeping) -> Image:
        wish = self._wish
        self._watch.begins("reading what the board holds")
        # Measuring writes on a blank one.
        blank = chip.blank()
        measured = chip.flash_size(wish.flash_size)
        flash_size = wish.flash_size or measured
        if flash_size > measured:
            raise problems.flash_too_small(flash_size, measured)
        there = Content() if wish.erase else self._there(chip, flash_size, safe, blank)
        key = wish.board or there.board
        board = boards.profile(key) if key else boards.default_for(chip.name)
        if board.chip != chip.name:
            raise problems.wrong_chip(chip.name, board.name)
        runtime = wish.runtime(board, self._watch)
        if runtime.chip != chip.name:
            raise problems.wrong_chip(chip.name, str(runtime))
        own = dict(there.own)
        # A board that was set up keeps its network as it is: people know it.
        new = wish.protect and not own.keys() & {CONFIG, FACTORY}
        if wish.password or new:
            own[FACTORY] = factory.content(wish.password or factory.new_password())
        image = _with(build(board, runtime, flash_size=flash_size, key=wish.key), own)
        safe.keep(own, image)
        self._own = own
        return image

    def _there(self, chip: Chip, flash_size: int, safe: Safekeeping, blank: bool) -> Content:
        """What the board holds, or held before an interrupted run."""
        try:
            there = Content() if blank else content.found(chip, flash_size)
        except LineError:
            left = safe.left(chip, Content())
            self._unread = left is None
            if left is None:
                raise
            return left
        self._unread = False
        if there.foreign:
            if not self._watch.agrees(there.foreign):
                raise problems.not_ours(there.foreign)
            self._erase = True
            return Content()
        return safe.left(chip, there) or there

    def _written(self, chip: Chip, image: Image) -> int:
        if self._erase:
            self._watch.begins("erasing")
            chip.erase()
            self._erase = False
        self._watch.begins("comparing")
        parts = [part for part in image.parts if not chip.holds(part)]
        total = sum(len(part.data) for part in parts)
        before = 0
        for part in parts:
            self._watch.begins("writing")
            chip.write(part, self._counting(before, total))
            before += len(part.data)
        # Once more, all of it: what was written last may have changed what was written first.
        self._watch.begins("verifying")
        if not all(chip.holds(part) for part in image.parts):
            raise problems.damaged()
        return total

    def _counting(self, before: int, total: int) -> Step:
        """Progress of one part as progress of all of them."""
        return lambda done, _: self._watch.progress(before + done, total)


def _with(image: Image, own: dict[str, bytes]) -> Image:
    """The image with the board's own files in its file system. Raises ImageError if it is full."""
    *others, files = image.parts
    held = filesystem.content(filesystem.mounted(bytearray(files.data)))
    full = dataclasses.replace(files, data=filesystem.made(held | own, len(files.data)))
    return dataclasses.replace(image, parts=(*others, full), secret=bool(own))
