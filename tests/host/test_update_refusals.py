"""How long the sender of an update goes on when the board refuses parts of it.

The answers are in the words of `firmware/mote/update/receive.py`; that a real board gives them is
seen in tests/running/test_updating.py.
"""

from contextlib import asynccontextmanager
from itertools import repeat

import pytest
from motekit import update
from motekit.update.bundle import Bundle
from motekit.update.send import ALL_REFUSALS

pytestmark = pytest.mark.anyio
LOST = {"ok": False, "error": "begin comes first"}
DAMAGED = {"ok": False, "error": "files arrived damaged"}


class Board:
    """Accepts every `begin` and answers the parts of the stream by a list."""

    def __init__(self, answers) -> None:
        self.answers = iter(answers)
        self.parts = 0

    async def ask(self, device: str, timeout: float, **command):
        if "begin" in command:
            return {"ok": True, "at": 0, "size": 4, "chunk": 2}
        self.parts += 1
        return next(self.answers)

    @asynccontextmanager
    async def asked(self, device: str, **command):
        yield self

    async def answer(self, timeout: float):
        return {"ok": True}

    async def outcome(self, answer, timeout: float):
        return {"ok": True, "done": True}


BUNDLE = Bundle("{}", b"", b"abcd")


async def test_a_lost_connection_does_not_hide_that_the_data_is_damaged() -> None:
    board = Board([DAMAGED, DAMAGED, DAMAGED, LOST, DAMAGED])
    with pytest.raises(update.UpdateError, match="files arrived damaged"):
        await update.send(BUNDLE, "dev", board)
    assert next(board.answers, None) is None, "every answer was asked for"


async def test_an_update_that_gets_on_between_lost_connections_is_sent() -> None:
    board = Board(
        [LOST, LOST, LOST, {"ok": True, "at": 2}, LOST, LOST, LOST, {"ok": True, "at": 4}]
    )
    await update.send(BUNDLE, "dev", board)
    assert next(board.answers, None) is None, "every answer was asked for"


@pytest.mark.parametrize(
    "answers", [repeat(LOST), ({"ok": False, "error": str(n)} for n in range(99))]
)
async def test_the_sender_gives_up_in_the_end(answers) -> None:
    board = Board(answers)
    with pytest.raises(update.UpdateError):
        await update.send(BUNDLE, "dev", board)
    assert board.parts <= ALL_REFUSALS + 1
