"""Cables that lose bytes, boards that restart in the middle, flashes that lie: it gets done."""

import stat
from pathlib import Path

import bench_programs
import pytest
from bench_board import BenchBoard, Line, SmallFlash
from bench_flash import OWN, Notes, flashed
from esp32_mock_bootloader import protocol
from mote import contract
from motekit.flash import FlashError, Wish
from motekit.flash.flasher import CONFIG, FACTORY

# In the middle of MicroPython, and in the middle of the files.
PLACES = (120_000, 290_000)
FAULTS = {"lost": {"lost": 37}, "reset": {"resets": True}}


@pytest.mark.parametrize("intact", PLACES)
@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_healed_by_a_second_attempt(
    board: BenchBoard, wish: Wish, fault: str, intact: int
) -> None:
    board.line = Line(intact=intact, times=1, **FAULTS[fault])
    watch = Notes()
    assert flashed(board, wish, watch).running
    assert board.line.times == 0
    assert len(watch.notes) == 1 and "once more at 115200 baud" in watch.notes[0]
    assert board.bauds == [115200, 460800]


@pytest.mark.parametrize(("runtime_too", "intact"), [(True, 120_000), (False, 85_000)])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_same_command_finishes_what_broke_off(
    board: BenchBoard, wish: Wish, safekeeping: Path, fault: str, runtime_too: bool, intact: int
) -> None:
    flashed(board, wish)
    bench_programs.add(board, OWN)
    if runtime_too:
        board.flash.data[0x20000:0x30000] = bytes(0x10000)
    board.line = Line(intact=intact, times=99, **FAULTS[fault])
    with pytest.raises(FlashError, match="run the same command again") as raised:
        flashed(board, wish, board="wemos-d1-mini32")
    # The checksum of a packet is one byte: one loss in 256 shows only in what the flash holds.
    assert raised.value.kind in ("line", "verify")
    (kept,) = safekeeping.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    board.line = Line()
    done = flashed(board, wish, board="wemos-d1-mini32")
    assert done.running and done.configured
    held = bench_programs.files(board)
    assert {name: held[name] for name in OWN} == OWN
    assert not list(safekeeping.iterdir())


def test_settings_from_after_an_interruption_win(board: BenchBoard, wish: Wish) -> None:
    flashed(board, wish)
    bench_programs.add(board, OWN)
    board.line = Line(intact=85_000, resets=True, times=99)
    with pytest.raises(FlashError):
        flashed(board, wish, board="wemos-d1-mini32")
    # Somebody flashed it by other means meanwhile, and set it up anew.
    board.line = Line()
    flashed(board, wish, erase=True)
    newer = {CONFIG: b'{"version": 1, "id": "newer"}'}
    bench_programs.add(board, newer)
    flashed(board, wish)
    assert bench_programs.files(board)[CONFIG] == newer[CONFIG]


def test_a_board_that_was_erased_since_gets_nothing_back(
    board: BenchBoard, wish: Wish, safekeeping: Path
) -> None:
    flashed(board, wish, protect=False)
    bench_programs.add(board, OWN)
    board.line = Line(intact=85_000, resets=True, times=99)
    with pytest.raises(FlashError):
        flashed(board, wish, board="wemos-d1-mini32")
    (kept,) = safekeeping.iterdir()
    left = kept.read_bytes()
    # Flashed by another computer, set up there, and erased with BOOT: it has Mote and no files.
    board.line = Line()
    flashed(board, wish, erase=True, protect=False)
    kept.write_bytes(left)
    flashed(board, wish, protect=False)
    assert not OWN.keys() & bench_programs.files(board).keys()


def test_what_its_owner_had_erased_is_not_copied_and_does_not_come_back(
    board: BenchBoard, wish: Wish
) -> None:
    flashed(board, wish)
    password = bench_programs.files(board)[FACTORY]
    # The power went after the wish, and before it was done.
    bench_programs.add(board, OWN | {contract.ERASE_MARK: b""})
    flashed(board, wish, board="wemos-d1-mini32")
    held = bench_programs.files(board)
    assert not (OWN.keys() | {contract.ERASE_MARK}) & held.keys()
    assert held[FACTORY] == password


def test_a_line_too_slow_for_the_fast_rate_gets_the_slow_one(board: BenchBoard, wish: Wish) -> None:
    board.line = Line(limit=115200)
    watch = Notes()
    assert flashed(board, wish, watch).running
    assert "115200 baud" in watch.notes[0]


@pytest.mark.parametrize("written_before", [False, True])
def test_a_flash_smaller_than_it_says_gets_what_fits(
    board: BenchBoard, wish: Wish, monkeypatch: pytest.MonkeyPatch, written_before: bool
) -> None:
    # The last byte of its identification is the size as a power of two: 16 MB.
    monkeypatch.setattr(protocol, "MOCK_FLASH_ID", 0x00184020)
    board.flash.data = SmallFlash(claimed=16 << 20, size=4 << 20)
    if written_before:
        board.flash.data[0x8000] = 0
    done = flashed(board, wish, erase=True)
    assert done.running and done.flash_size == 4 << 20
    with pytest.raises(FlashError, match="4 MB of flash, not 8 MB"):
        flashed(board, wish, flash_size=8 << 20)


def test_a_flash_that_does_not_hold_what_was_written(board: BenchBoard, wish: Wish) -> None:
    class Worn(bytearray):
        def __setitem__(self, place, value) -> None:
            super().__setitem__(place, value if place != 0x2_0000 else 0)

    board.flash.data = Worn(board.flash.data)
    with pytest.raises(FlashError, match="worn out or broken") as raised:
        flashed(board, wish)
    assert raised.value.kind == "verify"


def test_a_flash_that_does_not_tell_its_size_is_told(
    board: BenchBoard, wish: Wish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MOCK_FLASH_ID", 0x00994020)
    with pytest.raises(FlashError, match="--flash-size 4MB"):
        flashed(board, wish)
    assert flashed(board, wish, flash_size=4 << 20).running
