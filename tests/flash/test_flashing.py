"""A board from blank to running, and again, and what it keeps."""

import dataclasses
import json
import threading

import bench_programs
import pytest
import small_micropython
from bench_board import BenchBoard
from bench_flash import OWN, Notes, flashed
from motekit import boards, image
from motekit.flash import Cancelled, Flashed, Wish, flash
from motekit.flash.flasher import CONFIG, FACTORY


def test_a_blank_board_runs_after_one_pass(board: BenchBoard, wish: Wish) -> None:
    watch = Notes()
    done = flashed(board, wish, watch)
    assert (done.chip, done.mac, done.flash_size) == ("ESP32", "240AC4E29526", 4 << 20)
    assert (done.board, done.running, done.configured) == ("esp32-devkitc", True, False)
    assert done.network == bench_programs.NETWORK
    factory = json.loads(bench_programs.files(board)[FACTORY])
    assert factory == {"portal_password": done.password}
    assert len(done.password) >= 8
    # Every byte is where `mote image` puts it.
    same = image.build(
        boards.profile(done.board), wish.runtime(None, Notes()), portal_password=done.password
    )
    assert bytes(board.flash.data) == same.whole()
    assert watch.done[-1] == (done.written, done.total)
    assert [done for done, _ in watch.done] == sorted(done for done, _ in watch.done)
    assert watch.steps.count("erasing") == 0
    assert board.bauds[-1] == 460800


def test_what_is_there_is_not_written_again(board: BenchBoard, wish: Wish) -> None:
    first = flashed(board, wish)
    again = flashed(board, wish)
    assert again.written == 0
    assert again.password == first.password
    other = flashed(board, wish, board="wemos-d1-mini32")
    # The pins are another board's, MicroPython is the same.
    assert 0 < other.written < other.total
    assert json.loads(bench_programs.files(board)["/app_a/mote/board.json"])["key"] == other.board
    # What a board is was said once.
    assert flashed(board, wish).board == "wemos-d1-mini32"


def test_a_board_keeps_its_own_files_and_gets_a_new_program(board: BenchBoard, wish: Wish) -> None:
    flashed(board, wish, protect=False)
    bench_programs.add(
        board, OWN | {"/app_a/mote/old.mpy": b"no longer made", "/main.py": b"changed"}
    )
    done = flashed(board, wish)
    held = bench_programs.files(board)
    assert {name: held[name] for name in OWN} == OWN
    assert "/app_a/mote/old.mpy" not in held
    assert held["/main.py"] != b"changed"
    # It was set up without a password: it stays so.
    assert done.configured and not done.password and FACTORY not in held


def test_erase_leaves_nothing(board: BenchBoard, wish: Wish) -> None:
    first = flashed(board, wish)
    bench_programs.add(board, OWN)
    board.flash.data[0x9000:0xA000] = bytes(0x1000)
    watch = Notes()
    done = flashed(board, wish, watch, erase=True)
    assert "erasing" in watch.steps
    assert not OWN.keys() & bench_programs.files(board).keys()
    assert bytes(board.flash.data[0x9000:0xA000]) == b"\xff" * 0x1000
    assert done.password != first.password


def test_an_open_setup_network_and_a_password_of_ones_own(board: BenchBoard, wish: Wish) -> None:
    assert not flashed(board, wish, protect=False).password
    assert flashed(board, wish, password="my own words").password == "my own words"
    assert flashed(board, wish).password == "my own words"


@pytest.mark.parametrize("chip", ["esp32s3", "esp32c3", "esp32c6"])
def test_every_chip_gets_its_own_image(chip: str) -> None:
    board = BenchBoard(chip=chip, boots=bench_programs.bootloader)
    runtime = image.read(small_micropython.made(chip))
    done = flash("bench", board.opened, Wish(runtime=lambda board, watch: runtime), Notes())
    assert done.chip == chip.upper()
    assert boards.profile(done.board).chip == done.chip
    assert "/app_a/mote/app.mpy" in bench_programs.files(board)


def test_ctrl_c_stops_it_and_the_same_command_finishes(board: BenchBoard, wish: Wish) -> None:
    cancelled = threading.Event()

    class Impatient(Notes):
        def progress(self, done: int, total: int) -> None:
            if done > total // 4:
                cancelled.set()

    flashed(board, wish)
    bench_programs.add(board, OWN)
    with pytest.raises(Cancelled):
        wish_other = dataclasses.replace(wish, board="wemos-d1-mini32")
        flash("bench", board.opened, wish_other, Impatient(), cancelled)
    done = flashed(board, wish, board="wemos-d1-mini32")
    assert done.running and done.configured
    assert bench_programs.files(board)[CONFIG] == OWN[CONFIG]


def test_many_boards_at_once_do_not_mix_up_their_progress(wish: Wish) -> None:
    chips = ("esp32", "esp32s3", "esp32c3", "esp32c6")
    bench = [BenchBoard(chip, boots=bench_programs.bootloader) for chip in chips]
    runtimes = {chip.upper(): image.read(small_micropython.made(chip)) for chip in chips}
    wish = dataclasses.replace(wish, runtime=lambda board, watch: runtimes[board.chip])
    watches = [Notes() for _ in bench]
    done: dict[int, Flashed] = {}

    def one(number: int) -> None:
        done[number] = flash(f"bench{number}", bench[number].opened, wish, watches[number])

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(bench))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, watch in enumerate(watches):
        assert done[number].chip.lower() == bench[number].chip
        assert watch.done[-1] == (done[number].total, done[number].total)
