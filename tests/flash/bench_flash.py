"""How the tests of this room flash a board at the bench, and what they are told meanwhile."""

import dataclasses

from bench_board import BenchBoard
from motekit.flash import Flashed, Wish, flash
from motekit.flash.flasher import CONFIG

# What a board has of its own: settings, and readings that wait.
OWN = {CONFIG: b'{"version": 1, "id": "plant1"}', "/log/0001": bytes(range(256)) * 20}


class Notes:
    """Remembers what was said, and how far it was."""

    def __init__(self, *, agrees: bool = False) -> None:
        self.steps: list[str] = []
        self.notes: list[str] = []
        self.done: list[tuple[int, int]] = []
        self._agrees = agrees

    def begins(self, what: str) -> None:
        self.steps.append(what)

    def progress(self, done: int, total: int) -> None:
        self.done.append((done, total))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def agrees(self, holds: str) -> bool:
        return self._agrees


def flashed(
    bench: BenchBoard, wish: Wish, watch: Notes | None = None, /, **changes: object
) -> Flashed:
    wish = dataclasses.replace(wish, **changes)
    return flash("bench", bench.opened, wish, watch or Notes())
