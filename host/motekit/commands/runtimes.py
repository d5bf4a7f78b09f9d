"""The MicroPython that a command puts onto a board: one's own, or the official one of its chip."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

from motekit import boards, image
from motekit.image import official


def _said(text: str) -> None:
    typer.echo(text, err=True)


def obtain(
    board: boards.Profile,
    given: Path | None,
    source: str = "",
    say: Callable[[str], None] = _said,
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


@contextmanager
def _bar() -> Iterator[official.Progress]:
    """A bar on the terminal; a log gets none."""
    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
