"""What goes wrong at the bench: each has its own word, its own text, and what to do about it."""

import errno
import inspect
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import bench_programs
import flash_images
import pytest
import small_micropython
from bench_board import BenchBoard
from bench_flash import OWN, Notes, flashed
from motekit import boards, image, places
from motekit.commands import flash
from motekit.exits import FAILED, reason
from motekit.flash import FlashError, Wish, problems
from motekit.image import ImageError
from terminal import MOTE, environment


def problem(bench: BenchBoard, wish: Wish, /, **changes: object) -> FlashError:
    with pytest.raises(FlashError) as raised:
        flashed(bench, wish, **changes)
    assert raised.value.remedy
    return raised.value


def test_a_board_that_does_not_go_into_download_mode(board: BenchBoard, wish: Wish) -> None:
    board.enters_download = False
    board.boots = bench_programs.says(b"I 1200 run: the plants are well\r\n")
    found = problem(board, wish)
    assert found.kind == "download-mode"
    assert "hold the button BOOT" in found.remedy


def test_nothing_answers(wish: Wish) -> None:
    found = problem(BenchBoard(chip="", banner=False), wish)
    assert found.kind == "no-answer"
    assert "no ESP32 answers at bench" in found.what


@pytest.mark.parametrize("starts", ["never", "after flashing"])
def test_a_supply_that_breaks_down(board: BenchBoard, wish: Wish, starts: str) -> None:
    board.enters_download = starts == "after flashing"
    board.boots = bench_programs.says(bench_programs.BROWN_OUT)
    found = problem(board, wish)
    assert found.kind == "brown-out"
    assert "USB cable" in found.remedy


def test_the_wrong_chip(board: BenchBoard, wish: Wish) -> None:
    found = problem(board, wish, board="xiao-esp32c3")
    assert found.kind == "wrong-chip" and "XIAO ESP32C3 is for another" in found.what
    other = image.read(small_micropython.made("esp32s3"))
    found = problem(board, wish, runtime=lambda board, watch: other)
    assert found.kind == "wrong-chip" and "MicroPython 1.27.0 for ESP32-S3" in found.what


@pytest.mark.parametrize("chip", ["esp32s2", "esp8266", "esp32h2"])
def test_a_chip_that_mote_does_not_run_on(wish: Wish, chip: str) -> None:
    found = problem(BenchBoard(chip=chip), wish)
    assert found.kind == "wrong-chip"
    assert "ESP32-S3" in found.remedy


def tasmota(board: BenchBoard) -> None:
    description = small_micropython.description("tasmota32", "v15.1.0")
    board.flash.data[0x10020 : 0x10020 + len(description)] = description


def garden(board: BenchBoard) -> None:
    for name in bench_programs.files(board):
        if name.startswith("/app_a/mote/"):
            bench_programs.remove(board, name)
    bench_programs.add(board, {"/garden.py": b"print('hello')"})


@pytest.mark.parametrize(
    ("somebody", "holds"),
    [(tasmota, "tasmota32 v15.1.0"), (garden, "files of a MicroPython program")],
)
def test_a_board_that_is_not_ours_is_left_alone(
    board: BenchBoard, wish: Wish, somebody: Callable[[BenchBoard], None], holds: str
) -> None:
    flashed(board, wish)
    somebody(board)
    before = bytes(board.flash.data)
    found = problem(board, wish)
    assert found.kind == "not-ours" and holds in found.what
    assert "--erase" in found.remedy
    assert bytes(board.flash.data) == before
    # Whoever is asked, and agrees, gets a board with nothing of it left.
    assert flashed(board, wish, Notes(agrees=True)).running
    assert "/garden.py" not in bench_programs.files(board)


def test_a_fresh_micropython_is_nobodys(board: BenchBoard, wish: Wish) -> None:
    flashed(board, wish)
    for name in bench_programs.files(board):
        if name != "/boot.py":
            bench_programs.remove(board, name)
    assert flashed(board, wish).running


def test_a_file_system_that_the_board_cannot_read(board: BenchBoard, wish: Wish) -> None:
    board.boots = bench_programs.says(bench_programs.CORRUPT)
    found = problem(board, wish)
    assert found.kind == "file-system" and "--erase" in found.remedy


# Where there is none, nobody can look: with a cache filled by `mote image` there is.
if flash_images.official():

    @pytest.mark.parametrize("text", [bench_programs.BROWN_OUT, bench_programs.CORRUPT])
    def test_boards_say_it_in_these_words(text: bytes) -> None:
        words = text.strip().split(b".")[0].split(b"\r")[0]
        assert all(words in file.read_bytes() for file in flash_images.official())


def test_a_board_that_does_not_start(board: BenchBoard, wish: Wish) -> None:
    board.boots = lambda board: None
    board.banner = False
    found = problem(board, wish, wait_s=0.5)
    assert found.kind == "not-started" and "RESET" in found.remedy
    board.boots = bench_programs.says(b"MemoryError: \r\n")
    found = problem(board, wish, wait_s=4)
    assert "it said last" in found.what and "MemoryError" in found.what


def test_settings_that_cannot_be_read_are_not_lost(board: BenchBoard, wish: Wish) -> None:
    flashed(board, wish)
    bench_programs.add(board, OWN)
    before = bytes(board.flash.data)
    # A board whose answers to a read do not come through.
    board.garbles_reads = True
    found = problem(board, wish)
    assert found.kind == "settings" and "--erase" in found.remedy
    assert bytes(board.flash.data) == before


def test_own_files_that_do_not_fit(board: BenchBoard, wish: Wish) -> None:
    flashed(board, wish)
    bench_programs.add(board, {"/log/0001": bytes(1_000_000), "/log/0002": bytes(400_000)})
    bench_programs.remove(board, "/app_a/mote/app.mpy")
    with pytest.raises(ImageError, match="the disk is full"):
        flashed(board, wish, runtime=lambda board, watch: larger(wish.runtime(board, watch)))
    # Nothing was changed.
    assert "/app_a/mote/app.mpy" not in bench_programs.files(board)


def larger(runtime: image.MicroPython) -> image.MicroPython:
    """A MicroPython that leaves less room for files."""
    import dataclasses

    *others, last = runtime.partitions
    return dataclasses.replace(
        runtime, partitions=(*others, dataclasses.replace(last, size=last.size + (1 << 20)))
    )


def test_a_full_disk(board: BenchBoard, wish: Wish, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/home/me")

    def refuses() -> None:
        raise full

    monkeypatch.setattr(places, "data", refuses)
    with pytest.raises(OSError) as raised:
        flashed(board, wish)
    assert "is full (/home/me): make room" in reason(raised.value)


@pytest.mark.netns
def test_a_full_disk_of_this_computer(tmp_path: Path) -> None:
    firmware, disk = tmp_path / "micropython.bin", tmp_path / "disk"
    firmware.write_bytes(small_micropython.made())
    disk.mkdir()
    full = f"mount -t tmpfs -o size=64k full {disk} && exec"
    image = [MOTE, "image", "--firmware", firmware, "-o", disk / "x.bin"]
    shown = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'{full} "$@"', "-", *image],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert shown.returncode == FAILED
    assert "the disk of this computer is full: make room" in shown.stderr.splitlines()[-1]


def test_a_flash_smaller_than_asked_for(board: BenchBoard, wish: Wish) -> None:
    found = problem(board, wish, flash_size=8 << 20)
    assert found.kind == "flash-size" and "has 4 MB of flash, not 8 MB" in found.what


def test_the_readme_names_every_problem() -> None:
    source = inspect.getsource(problems) + inspect.getsource(flash)
    words = re.findall(r'(?:FlashError|Failed)\((?:port, )?\s*"([a-z-]+)"', source)
    kinds = {*words, *(kind for kind, *_ in problems.SAID), "disk-full", "system"}
    readme = (places.CHECKOUT / "README.md").read_text(encoding="utf-8")
    listed = readme.split("has a `problem`:")[1].split(".\n")[0]
    assert set(re.findall(r"`([a-z-]+)`", listed)) == kinds - {"stopped"}


def test_a_board_that_nobody_knows(board: BenchBoard, wish: Wish) -> None:
    with pytest.raises(boards.BoardError, match="there is no board 'nodemcu'"):
        flashed(board, wish, board="nodemcu")
