"""The MicroPython that a command puts onto a board: one's own, or the official one of its chip."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

from motekit import boards, image, terminal
from motekit.image import official
from motekit.terminal import echo

if TYPE_CHECKING:
    from motekit.flash import Watch


def said(text: str) -> None:
    """Say it on standard error."""
    echo(text, err=True)


def obtain(
    board: boards.Profile,
    given: Path | None,
    source: str = "",
    say: Callable[[str], None] = said,
    progress: official.Progress | None = None,
) -> image.MicroPython:
    """The image in the file `given`, or the official one, fetched with a bar if need be.

    `source` is where the official ones are, empty for micropython.org. What a person should know is
    said on standard error unless `say` takes it; `progress` is told in place of a bar.
    Raises ImageError, BoardError, OSError.
    """
    if given:
        try:
            return image.read(given.read_bytes())
        except image.ImageError as error:
            raise image.ImageError(f"{given}: {error}") from error
    pin = boards.micropython(board)
    with nullcontext(progress) if progress else _bar() as shown:
        got = official.fetch(
            pin,
            source=source or official.SOURCE,
            say=say,
            progress=shown,
        )
    if not got.pinned:
        owner = board if board.micropython else boards.default_for(board.chip.lower())
        say(
            f"{pin.file} has no pinned digest; this one has {got.sha256}. Compare it with one that "
            "was fetched elsewhere, and write it as sha256 below [micropython] in "
            f"{boards.FOLDER / owner.key}.toml"
        )
    return image.read(got.path.read_bytes())


class Shared:
    """MicroPython for a board: the given file, or the official one, got once for all boards."""

    def __init__(self, file: Path | None, source: str) -> None:
        self._file = file
        self._source = source
        self._got: dict[str, image.MicroPython] = {}
        self._getting = threading.Lock()

    def __call__(self, board: boards.Profile, watch: "Watch") -> image.MicroPython:
        def progress(done: int, total: int | None) -> None:
            watch.progress(done, total or 0)

        with self._getting:
            if board.key not in self._got:
                watch.begins("getting MicroPython")
                self._got[board.key] = obtain(board, self._file, self._source, watch.note, progress)
            return self._got[board.key]


@contextmanager
def _bar() -> Iterator[official.Progress]:
    """A bar on the terminal; a log gets none."""
    console = terminal.console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
