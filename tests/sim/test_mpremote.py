"""`mpremote` as it is typed, unchanged, against the serial port of a virtual board."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from boards import END, run
from motesim import VirtualBoard, World
from motesim.core import ESP32_FREE_HEAP, WIDTH_RATIO
from mpremote.transport_serial import SerialTransport
from repl_terminal import Terminal

EVERY_BYTE = bytes(range(256)) * 3
COUNTS_FOR_EVER = """
import time
count = 0
print("begun")
while True:
    count += 1
    time.sleep_ms(10)
"""


async def mpremote(board: VirtualBoard, *arguments: str | Path, status: int = 0) -> str:
    """What it prints, on either output, with the exit status that is expected."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mpremote", "connect", board.serial_path, *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        printed = (await asyncio.wait_for(process.communicate(), 180))[0].decode()
    except TimeoutError:
        process.kill()
        raise AssertionError("\n".join([f"{arguments} hangs; the board:", *board.log])) from None
    assert process.returncode == status, printed
    return printed.replace("\r\n", "\n")


def with_board(folder: Path, story, program: str = "") -> None:
    async def awaited(_: World, board: VirtualBoard) -> None:
        await board.wait_for_log("begun" if "begun" in program else END, 60)
        await story(board)

    run(folder, program, awaited)


def test_exec_eval_and_run_print_what_the_board_prints(tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint('on', sys.platform)\nprint('é' * 3, end='')\n")

    async def story(board: VirtualBoard) -> None:
        assert await mpremote(board, "exec", "print(6 * 7)") == "42\n"
        assert await mpremote(board, "eval", "[1, 'two']") == "[1, 'two']\n"
        assert await mpremote(board, "run", script) == "on esp32\nééé"

    with_board(tmp_path, story)


def test_an_exception_is_shown_and_ends_with_1(tmp_path) -> None:
    async def story(board: VirtualBoard) -> None:
        shown = await mpremote(board, "exec", "def f():\n return 1 // 0\nf()", status=1)
        assert 'File "<stdin>", line 2, in f\nZeroDivisionError: divide by zero' in shown
        assert "SyntaxError" in await mpremote(board, "exec", "def:", status=1)
        assert await mpremote(board, "exec", "print('well again')") == "well again\n"

    with_board(tmp_path, story)


def test_much_output_arrives_in_whole(tmp_path) -> None:
    async def story(board: VirtualBoard) -> None:
        printed = await mpremote(board, "exec", "for n in range(5000): print(n, '-' * 20)")
        assert printed == "".join(f"{n} {'-' * 20}\n" for n in range(5000))

    with_board(tmp_path, story)


def test_files_are_copied_listed_and_removed_on_the_flash(tmp_path) -> None:
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "below" / "every byte.bin").write_bytes(EVERY_BYTE)
    (tree / "text.txt").write_text("one\ntwo\n")

    async def story(board: VirtualBoard) -> None:
        await mpremote(board, "fs", "cp", "-r", f"{tree}/.", ":")
        assert board.flash.read("below/every byte.bin") == EVERY_BYTE
        assert "  8 text.txt\n" in await mpremote(board, "fs", "ls")
        assert await mpremote(board, "fs", "cat", "text.txt") == "one\ntwo\n"
        assert "└── every byte.bin" in await mpremote(board, "fs", "tree", ":below")
        assert "Up to date" in await mpremote(board, "cp", tree / "text.txt", ":text.txt")
        await mpremote(board, "cp", ":below/every byte.bin", tmp_path / "back.bin")
        assert (tmp_path / "back.bin").read_bytes() == EVERY_BYTE
        await mpremote(board, "mkdir", "new", "+", "touch", "new/empty", "+", "rm", "text.txt")
        assert board.flash.files()["/new/empty"] == 0
        assert "/text.txt" not in board.flash.files()
        assert "No such file" in await mpremote(board, "fs", "cat", "text.txt", status=1)
        assert "/" in await mpremote(board, "df")

    with_board(tmp_path, story)


def test_a_mounted_folder_is_read_and_written_byte_by_byte(tmp_path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    # Lengths of 3, 4 and 10 go over the wire as Ctrl-C, Ctrl-D and a line feed.
    for name in ("abc", "abcd", "tenletters"):
        (folder / name).write_bytes(EVERY_BYTE)
    (folder / "module.py").write_text("print('imported from', __file__)\n")
    program = """
import module, os
print(sorted(os.listdir()))
for name in ('abc', 'abcd', 'tenletters'):
    with open(name, 'rb') as f:
        data = f.read()
    with open(name + '.copy', 'wb') as f:
        f.write(data)
with open('/kept', 'wb') as f:
    f.write(data)
"""

    async def story(board: VirtualBoard) -> None:
        printed = await mpremote(board, "mount", folder, "exec", program)
        assert "imported from module.py" in printed or "imported from /remote" in printed
        assert "['abc', 'abcd', 'module.py', 'tenletters']" in printed
        for name in ("abc.copy", "abcd.copy", "tenletters.copy"):
            assert (folder / name).read_bytes() == EVERY_BYTE
        assert board.flash.read("kept") == EVERY_BYTE
        assert "abc" not in await mpremote(board, "fs", "ls"), "it is gone again"

    with_board(tmp_path, story)


def test_the_running_program_is_interrupted_and_what_it_left_can_be_looked_at(tmp_path) -> None:
    async def story(board: VirtualBoard) -> None:
        # `resume` keeps mpremote from its soft reset.
        names = await mpremote(board, "resume", "exec", "print(count > 0, 'power_on' in globals())")
        assert names == "True False\n"

    with_board(tmp_path, story, COUNTS_FOR_EVER)


def test_a_soft_reset_runs_boot_and_not_main_in_the_raw_repl_and_both_in_the_other(
    tmp_path,
) -> None:
    program = "import machine\nprint('main runs, cause', machine.reset_cause())"

    async def story(board: VirtualBoard) -> None:
        await mpremote(board, "exec", "with open('boot.py', 'w') as f: f.write('mark = 1')")
        before = board.serial.count
        await mpremote(board, "soft-reset")
        assert await mpremote(board, "resume", "eval", "mark") == "1\n"
        assert not [line for line in await board.serial.next_lines(before) if "runs" in line]
        before = board.serial.count
        await mpremote(board, "resume", "exec", "--no-follow", "import machine; machine.reset()")
        await board.wait_for_log("main runs, cause 2", 60, before)
        before = board.serial.count
        await mpremote(board, "reset")
        await board.wait_for_log("main runs, cause 2", 60, before)

    with_board(tmp_path, story, program)


def test_each_command_has_the_whole_heap_of_a_board(tmp_path) -> None:
    async def story(board: VirtualBoard) -> None:
        program = "import gc; gc.collect(); print(gc.mem_free())"
        for _ in range(3):
            free = int(await mpremote(board, "exec", program))
            assert 0.95 < free / (ESP32_FREE_HEAP * WIDTH_RATIO) < 1.01

    with_board(tmp_path, story)


def test_the_clock_is_set(tmp_path) -> None:
    async def story(board: VirtualBoard) -> None:
        await mpremote(board, "rtc", "--set")
        year = await mpremote(board, "resume", "eval", "__import__('time').localtime()[0]")
        assert int(year) >= 2025

    with_board(tmp_path, story)


def test_programs_are_sent_by_raw_paste(tmp_path) -> None:
    def talk(path: str) -> tuple[bytes, bool]:
        transport = SerialTransport(path)
        transport.enter_raw_repl(soft_reset=False)
        # More than the window of the board, so that it has to be opened anew.
        said = transport.exec("total = 0\n" + "total += 1\n" * 500 + "print(total)")
        transport.close()
        # It goes back to the plain raw REPL where a board does not know the other.
        return said, transport.use_raw_paste

    async def story(board: VirtualBoard) -> None:
        assert await asyncio.to_thread(talk, str(board.serial_path)) == (b"500\r\n", True)

    with_board(tmp_path, story)


def test_repl_is_a_terminal_on_the_board_with_ctrl_c_and_ctrl_d(tmp_path) -> None:
    async def story(board: VirtualBoard) -> None:
        terminal = Terminal()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mpremote", "connect", board.serial_path, "repl"),
            stdin=terminal.end, stdout=terminal.end, stderr=terminal.end,
        )  # fmt: skip
        await terminal.wait_until_raw()
        os.write(terminal.outer, b"\x03")
        await terminal.wait_for(b">>> ")
        os.write(terminal.outer, b"count > 0\r")
        await terminal.wait_for(b"True\r\n>>> ")
        os.write(terminal.outer, b"\x04")
        await terminal.wait_for(b"MPY: soft reboot\r\nbegun\r\n")
        os.write(terminal.outer, b"\x03")
        await terminal.wait_for(b"KeyboardInterrupt: \r\n")
        await terminal.wait_for(b">>> ")
        os.write(terminal.outer, b"while True: pass\r\r")
        await terminal.wait_for(b"... ")
        os.write(terminal.outer, b"\x03")
        await terminal.wait_for(b"KeyboardInterrupt: \r\n>>> ")
        os.write(terminal.outer, b"\x1d")
        assert await asyncio.wait_for(process.wait(), 120) == 0

    with_board(tmp_path, story, COUNTS_FOR_EVER)


@pytest.mark.parametrize("by", ["typing", "a signal"])
def test_ctrl_c_ends_a_wait_for_the_world_and_the_next_answer_is_the_right_one(
    tmp_path, by: str
) -> None:
    program = """
import machine, network, socket
sta = network.WLAN(network.STA_IF)
sta.active(True)
print("begun")
try:
    sta.scan()
except KeyboardInterrupt:
    print("interrupted", machine.reset_cause())
"""

    async def story(board: VirtualBoard) -> None:
        if by == "typing":
            board.serial.type(b"\x03")
        else:
            # As it strikes a program that asked at that moment.
            async with asyncio.timeout(90):
                while not board.serial.stop_waiting:
                    await asyncio.sleep(0.001)
            os.killpg(os.tcgetpgrp(board.serial._inner), signal.SIGINT)
        assert await board.wait_for_log("interrupted", 60) == "interrupted 1"

    with_board(tmp_path, story, program)


@pytest.mark.parametrize("ending", ["kill", "terminate"])
def test_a_program_whose_mpremote_died_is_interrupted_by_the_next(tmp_path, ending: str) -> None:
    async def story(board: VirtualBoard) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mpremote", "connect", board.serial_path, "exec"),
            "import time\nprint('for ever')\nwhile True: time.sleep_ms(100)",
            stdout=asyncio.subprocess.DEVNULL,
        )
        await board.wait_for_log("for ever", 60)
        getattr(process, ending)()
        await process.wait()
        assert await mpremote(board, "exec", "print('mine')") == "mine\n"

    with_board(tmp_path, story)
