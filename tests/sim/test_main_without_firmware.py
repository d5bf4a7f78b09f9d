"""`main.py` where the firmware is missing or damaged: a board restarts, whatever noise types."""

import re
from pathlib import Path

import boards
import pytest
from motekit import places
from motesim import VirtualBoard, World

RESTARTS = "restarting in"


def program(**times: int) -> str:
    """The real main.py with other times."""
    text = (places.FIRMWARE / "main.py").read_text(encoding="utf-8")
    for name, value in times.items():
        text, count = re.subn(rf"^{name} = [\d_]+$", f"{name} = {value}", text, flags=re.M)
        assert count == 1, name
    return text


def test_it_restarts_again_and_again(tmp_path: Path) -> None:
    async def story(_: World, board: VirtualBoard) -> None:
        since = 0
        for _ in range(3):
            await board.wait_for_log(RESTARTS, 240, since=since)
            since = len(board.log)

    boards.run(tmp_path, program(_PAUSE_S=1), story)


def test_a_stray_ctrl_c_delays_the_restart_and_no_more(tmp_path: Path) -> None:
    async def story(_: World, board: VirtualBoard) -> None:
        await board.wait_for_log(RESTARTS, 240)
        since = len(board.log)
        board.serial.type(b"\x03")
        await board.wait_for_log("stopped by Ctrl-C", 240)
        # Nobody types: it starts again.
        await board.wait_for_log(RESTARTS, 240, since=since)

    boards.run(tmp_path, program(_PAUSE_S=120, _REPL_UNUSED_MS=1_000), story)


@pytest.mark.parametrize("typed", [b"\r", b"print('still ' + 'here')\r"])
def test_whoever_types_after_ctrl_c_keeps_the_repl(tmp_path: Path, typed: bytes) -> None:
    async def story(_: World, board: VirtualBoard) -> None:
        await board.wait_for_log(RESTARTS, 240)
        board.serial.type(b"\x03")
        await board.wait_for_log("stopped by Ctrl-C", 240)
        board.serial.type(typed)
        # What ends in the REPL goes on behind the program of this test.
        await board.wait_for_log(boards.END, 240)
        board.serial.type(b"print('awake ' + 'again')\r")
        await board.wait_for_log("awake again", 240)
        assert sum(RESTARTS in line for line in board.log) == 1

    boards.run(tmp_path, program(_PAUSE_S=120, _REPL_UNUSED_MS=600_000), story)
