"""A server of the portal that no longer answers is noticed by the board, and started again."""

import asyncio
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from board_in_setup import Answer, ask, board_in_setup
from motekit import boards, firmware, places
from motesim import VirtualBoard
from test_name_server import OWN, addresses

pytestmark = pytest.mark.anyio
CHECK_MS = 400


def made(folder: Path, edit: Callable[[Path], None] = lambda portal: None) -> Path:
    """A tree whose portal is changed by `edit`, and checks itself often."""
    source = folder / "source"
    shutil.copytree(places.FIRMWARE, source, ignore=shutil.ignore_patterns("__pycache__"))
    portal = source / "mote" / "portal"
    network = source / "mote" / "setup_network.py"
    replace(network, r"_SELF_CHECK_MS = [\d_]+", f"_SELF_CHECK_MS = {CHECK_MS}")
    edit(portal)
    return firmware.build(boards.default_for("esp32"), source)


def replace(file: Path, pattern: str, text: str) -> None:
    content, count = re.subn(pattern, text, file.read_text(encoding="utf-8"), count=1)
    assert count == 1
    file.write_text(content, encoding="utf-8")


def deaf(file: Path, before: str, after: str = "") -> None:
    """Let the server in `file` wait for ever the fifth time that it comes between these lines."""
    wait = "            await _deaf()\n"
    replace(file, re.escape(before + after), before + wait + after)
    with file.open("a") as code:
        code.write("\n_left = [5]\n\n\nasync def _deaf():\n    _left[0] -= 1\n")
        code.write("    if not _left[0]:\n        await asyncio.sleep(1000)\n")


def deaf_names(portal: Path) -> None:
    """From the fifth packet on the name server answers nobody."""
    deaf(portal / "dns_server.py", "", "            if not packet:\n")


def deaf_pages(portal: Path) -> None:
    """From the fifth client on nobody is accepted."""
    deaf(portal / "http.py", "            await readable(listener)\n")


async def asked_again(board: VirtualBoard) -> Answer:
    """The page; a phone asks again where nobody listens yet."""
    for _ in range(200):
        try:
            return await ask(board)
        except ConnectionError:
            await asyncio.sleep(0.1)
    raise AssertionError("nobody listens")


async def test_servers_that_answer_are_left_alone(tmp_path: Path) -> None:
    async with board_in_setup(firmware=made(tmp_path)) as board:
        for _ in range(4):
            assert (await ask(board)).status == 200
            assert await addresses(board) == [OWN]
            await asyncio.sleep(CHECK_MS / 1000)
        assert not [line for line in board.log if line.startswith("E ")]


async def test_a_deaf_name_server_is_started_again(tmp_path: Path) -> None:
    async with board_in_setup(firmware=made(tmp_path, deaf_names)) as board:
        await board.wait_for_log("the DNS server does not answer: it starts again", 60)
        assert await addresses(board) == [OWN]
        assert (await ask(board)).status == 200


async def test_a_deaf_web_server_is_started_again(tmp_path: Path) -> None:
    async with board_in_setup(firmware=made(tmp_path, deaf_pages)) as board:
        await board.wait_for_log("the HTTP server does not answer: it starts again", 60)
        assert (await asked_again(board)).status == 200
        assert await addresses(board) == [OWN]
