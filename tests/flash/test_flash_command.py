"""`mote flash` as it is typed, against esp32-mock-bootloader as it comes."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bench_programs
import pytest
import small_micropython
from bench_board import BenchBoard
from motekit import boards, image
from motekit import firmware as tree
from motekit.command_table import app
from motekit.commands import runtimes
from motekit.exits import DONE, FAILED, STOPPED, USAGE
from motekit.serial import ports
from terminal import MOTE, Terminal, environment, eventually, running
from typer.testing import CliRunner

MOCK = Path(__file__).with_name("patient_mock.py")
ESCAPE = "\x1b"


@contextmanager
def mock(folder: Path, *options: str, chip: str = "esp32") -> Iterator[str]:
    """The mock as its makers deliver it: knows neither reset lines nor a program to start."""
    file = folder / "port"
    file.unlink(missing_ok=True)
    command = [sys.executable, MOCK, "run", "--chip", chip, "--port-file", file, *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            eventually("a port", lambda: file.exists() and file.read_text())
            name = file.read_text()
            yield name if name.startswith("/") else f"socket://127.0.0.1:{name}"
        finally:
            process.terminate()


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    # Compiled beforehand: the mock forgets a session that pauses.
    tree.build(boards.default_for("esp32"))
    file = tmp_path / "micropython.bin"
    file.write_bytes(small_micropython.made())
    return file


def mote(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [MOTE, "flash", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment(**more),
    )


# Over TCP it would end a session three seconds after anything that was written.
SOCKET = ("--port", "0", "--exit-on-disconnect")


@pytest.mark.parametrize("transport", [("--pty",), SOCKET], ids=["pty", "socket"])
def test_a_board_is_flashed_and_a_program_reads_what_became_of_it(
    tmp_path: Path, firmware: Path, transport: tuple[str, ...]
) -> None:
    with mock(tmp_path, *transport) as port:
        shown = mote(port, "--firmware", firmware, "--wait", "0", "--json")
    assert shown.returncode == DONE, shown.stderr
    (board,) = json.loads(shown.stdout)
    assert board["port"] == port
    assert (board["mac"], board["chip"]) == ("240AC4E29526", "ESP32")
    assert board["network"] == bench_programs.NETWORK
    assert len(board["password"]) >= 8
    # A log has lines, no bars; and no password.
    assert f"{port}: writing: 100 % of" in shown.stderr
    assert ESCAPE not in shown.stderr and "\r" not in shown.stderr
    assert board["password"] not in shown.stderr


def test_what_to_do_next_is_said_with_a_code_for_a_phone(tmp_path: Path, firmware: Path) -> None:
    with mock(tmp_path, "--pty") as port:
        shown = mote(port, "--firmware", firmware, "--wait", "0", "--portal-password", "in words")
        assert shown.returncode == DONE, shown.stderr
        opened = mote(port, "--firmware", firmware, "--wait", "0", "--erase", "--open")
    assert "for your password" in shown.stdout and "in words" not in shown.stdout
    assert f"to join {bench_programs.NETWORK}:\n" in shown.stdout
    assert shown.stdout.count("█") > 50
    assert "http://192.168.4.1" in shown.stdout
    assert f"join the WiFi {bench_programs.NETWORK} with a phone; it has no pass" in opened.stdout


def test_a_terminal_shows_a_bar_with_speed_and_time_left(tmp_path: Path, firmware: Path) -> None:
    with mock(tmp_path, "--pty") as port:
        options = ("flash", port, "--firmware", firmware, "--wait", "0")
        plain = Terminal(*options, NO_COLOR="1")
        assert plain.process.wait(240) == DONE, plain.shown
        plain.wait_for("http://192.168.4.1")
        colourful = Terminal(*options, TERM="xterm-256color")
        assert colourful.process.wait(240) == DONE
        colourful.wait_for("http://192.168.4.1")
    assert re.search(r"writing .*━+.* MB/s \d:\d\d:\d\d", plain.shown)
    # A step without a number of bytes shows none.
    assert "/?" not in plain.shown
    colour = re.compile(r"\x1b\[[\d;]*3\dm")
    assert colour.search(colourful.shown) and not colour.search(plain.shown)


def test_ctrl_c_ends_with_130(firmware: Path) -> None:
    # Nobody answers at this port.
    with BenchPort() as port, running("flash", port, "--firmware", firmware) as at_work:
        at_work.wait_err("connecting")
        assert at_work.stop() == STOPPED
        at_work.wait_err("stopped; the same command finishes the job")


class BenchPort:
    """A PTY with nothing behind it."""

    def __enter__(self) -> str:
        import os
        import pty
        import tty

        self._ends = pty.openpty()
        tty.setraw(self._ends[1])
        return os.ttyname(self._ends[1])

    def __exit__(self, *_: object) -> None:
        import os

        for end in self._ends:
            os.close(end)


def test_a_port_that_another_program_has(tmp_path: Path, firmware: Path) -> None:
    with (
        mock(tmp_path, "--pty") as port,
        Path(port).open("rb") as held,
        subprocess.Popen(["sleep", "600"], stdin=held) as other,
    ):
        shown = mote(port, "--firmware", firmware)
        other.terminate()
    assert shown.returncode == FAILED
    assert "is in use by" in shown.stderr and f"(process {other.pid})" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["/dev/ttyUSB99"], "there is no port /dev/ttyUSB99"),
        (["socket://127.0.0.1:1"], "is the serial server running there?"),
        (["--all"], "use a USB cable that carries data"),
    ],
)
def test_no_board(arguments: list[str], text: str) -> None:
    shown = mote(*arguments)
    assert shown.returncode == FAILED
    assert text in shown.stderr


def test_images_that_cannot_be_used(tmp_path: Path) -> None:
    old, damaged = tmp_path / "old.bin", tmp_path / "damaged.bin"
    old.write_bytes(small_micropython.made(version="1.22.0"))
    bytes_of_it = bytearray(small_micropython.made())
    bytes_of_it[-5000] ^= 1
    damaged.write_bytes(bytes_of_it)
    with mock(tmp_path, "--pty") as port:
        too_old = mote(port, "--firmware", old)
        broken = mote(port, "--firmware", damaged)
        cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        offline = mote(port, "--source", "http://127.0.0.1:1", **cache)
    assert [one.returncode for one in (too_old, broken, offline)] == [FAILED] * 3
    assert "MicroPython 1.22.0 for ESP32 is too old: Mote needs 1.24" in too_old.stderr
    assert "it is damaged" in broken.stderr and "download it again" in broken.stderr
    assert "cannot be reached" in offline.stderr and "--firmware FILE" in offline.stderr


def test_what_is_not_understood(tmp_path: Path) -> None:
    assert mote("--flash-size", "big").returncode == USAGE
    assert mote("--all", "/dev/ttyUSB0").returncode == USAGE


def test_all_boards_at_once_one_of_them_faulty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Of each chip one: the mock gives all boards of a chip one address.
    bench = {
        f"bench-{chip}": BenchBoard(chip, boots=bench_programs.bootloader)
        for chip in ("esp32", "esp32s3", "esp32c3")
    }
    bench["bench-esp32s3"].enters_download = False
    together = threading.Barrier(3, timeout=240)

    @contextmanager
    def opened(port: str) -> Iterator[object]:
        # Each waits until all are under way, once.
        if not bench[port].resets:
            together.wait()
        with bench[port].opened(port) as cable:
            yield cable

    monkeypatch.setattr(ports, "find", lambda: [ports.Port(name, "test", "") for name in bench])
    monkeypatch.setattr(ports, "opened", opened)
    monkeypatch.setattr(
        runtimes,
        "obtain",
        lambda board, *_: image.read(small_micropython.made(board.chip.lower())),
    )
    options = ["flash", "--all", "--json"]
    asked = CliRunner().invoke(app, options)
    assert asked.exit_code == FAILED
    assert f"This flashes 3 boards: {', '.join(bench)}" in asked.stderr
    assert "add --yes" in asked.stderr
    shown = CliRunner().invoke(app, [*options, "--yes"])
    assert shown.exit_code == FAILED
    outcomes = json.loads(shown.stdout)
    assert [one["port"] for one in outcomes] == list(bench)
    assert [one.get("running") for one in outcomes] == [True, None, True], shown.stderr
    assert outcomes[1]["problem"] == "download-mode"
    assert "mote: bench-esp32s3: the board starts its program" in shown.stderr
