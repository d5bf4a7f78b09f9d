"""Flashing, with the real esptool against a board at the bench."""

import os
import sys
from pathlib import Path

import pytest

# The stand-ins of this room, and the images of the next.
sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "host")]

import bench_programs
import small_micropython
from bench_board import BenchBoard
from motekit import image, places
from motekit.flash import Wish


@pytest.fixture(autouse=True)
def safekeeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where boards' own files are kept meanwhile: not the user's own folder."""
    monkeypatch.setattr(places, "data", lambda: tmp_path / "data")
    monkeypatch.setitem(os.environ, "XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "flashing"


@pytest.fixture(scope="session")
def runtime() -> image.MicroPython:
    return image.read(small_micropython.made())


@pytest.fixture
def board() -> BenchBoard:
    return BenchBoard(boots=bench_programs.bootloader)


@pytest.fixture
def wish(runtime: image.MicroPython) -> Wish:
    return Wish(runtime=lambda board, watch: runtime)


@pytest.fixture
def anyio_backend() -> str:
    """The world of a virtual board is an asyncio program."""
    return "asyncio"
