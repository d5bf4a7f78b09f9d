"""`mote monitor` and `mote shell` as they are typed."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from motekit import places
from motekit.exits import DONE, FAILED
from motesim import BoardSpec, VirtualBoard, World
from terminal import Port, Terminal, eventually, running

LOG = """\
D 5 led: slow
I 12 wifi: joined Home
W 345 mqtt: the broker is silent
E 6789 app: no sensors
"""


@pytest.fixture
def port(tmp_path) -> Port:
    made = Port(tmp_path)
    made.plug()
    return made


@dataclass(frozen=True)
class Plugged:
    """A virtual board that lives in another thread."""

    board: VirtualBoard
    loop: asyncio.AbstractEventLoop

    @property
    def path(self) -> str:
        return self.board.serial_path

    def type(self, text: str) -> None:
        self.loop.call_soon_threadsafe(self.board.serial.type, text.encode())


@contextmanager
def virtual_board() -> Iterator[Plugged]:
    """A board with the real firmware in its setup portal, in a world of its own thread."""
    ready, over = threading.Event(), threading.Event()
    boards: list[Plugged] = []

    async def live() -> None:
        async with World() as world:
            board = await world.add_board(BoardSpec("board"))
            await board.power_on()
            await board.wait_for_log("portal", 120)
            boards.append(Plugged(board, asyncio.get_running_loop()))
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    try:
        assert ready.wait(150)
        yield boards[0]
    finally:
        over.set()
        thread.join()


def test_the_log_is_printed_as_it_is_until_ctrl_c_ends_it_with_0(port) -> None:
    with running("monitor", port.path) as monitor:
        monitor.wait_err(f"listening on {port.path}")
        port.say(LOG.replace("\n", "\r\n"))
        monitor.wait_out("no sensors")
        assert monitor.out == LOG.splitlines()
        assert monitor.stop() == DONE


def test_only_what_was_asked_for_is_shown_and_every_traceback(port) -> None:
    options = ("--level", "w", "--part", "mqtt", "--part", "wifi")
    with running("monitor", port.path, *options) as monitor:
        monitor.wait_err("listening")
        port.say(LOG + "printed\nTraceback (most recent call last):\n")
        port.say('  File "x.py", line 1, in <module>\nOSError: 5\nW 7 wifi: end\n')
        monitor.wait_out("W 7 wifi: end")
        assert monitor.out == [
            "W 345 mqtt: the broker is silent",
            "Traceback (most recent call last):",
            '  File "x.py", line 1, in <module>',
            "OSError: 5",
            "W 7 wifi: end",
        ]


def test_json_is_one_object_a_line(port) -> None:
    with running("monitor", port.path, "--json") as monitor:
        monitor.wait_err("listening")
        port.say(LOG + "hello\nE 1 a: end\n")
        monitor.wait_out("end")
        first, *_, hello, _ = (json.loads(line) for line in monitor.out)
        assert first.pop("time") > 1_700_000_000
        assert first == {"kind": "event", "level": "D", "ms": 5, "part": "led", "text": "slow"}
        assert (hello["kind"], hello["text"]) == ("other", "hello")


def test_a_board_that_is_unplugged_is_waited_for(port) -> None:
    with running("monitor", port.path) as monitor:
        monitor.wait_err("listening")
        for turn in range(2):
            port.say(f"I 1 app: turn {turn}\nunfinished {turn}")
            monitor.wait_out(f"turn {turn}")
            port.unplug()
            eventually("it is gone", lambda t=turn: str(monitor.err).count("is gone") == t + 1)
            eventually("all of it", lambda t=turn: monitor.out[-1] == f"unfinished {t}")
            port.plug()
            eventually("it is back", lambda t=turn: str(monitor.err).count("is back") == t + 1)
        port.say("I 1 app: the end\n")
        monitor.wait_out("the end")


def test_a_terminal_has_colours_by_level_and_times_unless_it_wants_none(port) -> None:
    terminal = Terminal("monitor", port.path, TERM="xterm-256color")
    terminal.wait_for("listening")
    port.say(LOG)
    terminal.wait_for("no sensors")
    assert "\x1b[33mW 345 mqtt: the broker is silent" in terminal.shown
    assert "\x1b[31mE 6789 app" in terminal.shown
    terminal.type("\x03")
    assert terminal.process.wait(120) == DONE
    plain = Terminal("monitor", port.path, "--no-time", TERM="xterm-256color", NO_COLOR="1")
    plain.wait_for("listening")
    port.say(LOG)
    plain.wait_for("no sensors")
    assert "\x1b[3" not in plain.shown and "\nE 6789 app" in plain.shown
    plain.process.kill()


def test_what_a_board_says_cannot_steer_the_terminal(port) -> None:
    with running("monitor", port.path) as monitor:
        monitor.wait_err("listening")
        port.say("I 1 app: \x1b]0;title\x07 \x9b31m end\n")
        monitor.wait_out("end")
        assert monitor.out[0].isprintable()


def test_a_traceback_of_compiled_firmware_leads_to_its_source() -> None:
    log = places.DEVICE_PACKAGE / "log.py"
    lines = log.read_text().splitlines()
    number = 1 + next(i for i, line in enumerate(lines) if "not a level" in line)
    with virtual_board() as board, running("monitor", board.path, "--json") as monitor:
        monitor.wait_err("listening")
        board.type("\x03")
        monitor.wait_out("stopped by Ctrl-C")
        board.type("from mote import log; log.set_level('no')\r")
        monitor.wait_out("ValueError: not a level")
        objects = [json.loads(line) for line in monitor.out]
        frame = next(o for o in objects if 'mote/log.py"' in o["text"])
        assert frame["text"] == f'  File "mote/log.py", line {number}, in set_level'
        assert frame["source"] == {
            "file": str(log), "line": number, "code": 'raise ValueError("not a level")', "note": "",
        }  # fmt: skip


def test_a_virtual_board_that_ends_is_not_taken_for_the_next_window(tmp_path) -> None:
    with virtual_board() as board:
        monitor = Terminal("monitor", board.path)
        monitor.wait_for("listening")
    assert monitor.process.wait(120) == FAILED
    monitor.wait_for("its virtual board has ended. Start one: `mote sim`")


def test_the_shell_is_the_prompt_of_a_board_until_ctrl_and_bracket() -> None:
    with virtual_board() as board:
        shell = Terminal("shell", board.path)
        shell.wait_until_raw()
        shell.type("\x03")
        shell.wait_for(">>> ")
        shell.type("6 * 7\r")
        shell.wait_for("42")
        shell.type("\x1d")
        assert shell.process.wait(120) == DONE


def test_the_shell_without_a_terminal_says_what_to_do_instead(port) -> None:
    with running("shell", port.path) as shell:
        assert shell.process.wait(120) == FAILED
        shell.wait_err("`mpremote connect PORT exec")


def test_a_wrong_port_is_named_and_where_to_look(tmp_path: Path) -> None:
    with running("monitor", tmp_path / "ttyUSB9") as monitor:
        assert monitor.process.wait(120) == FAILED
        monitor.wait_err("there is no port")
        monitor.wait_err("`mote sim list`")
