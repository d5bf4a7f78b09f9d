"""A terminal for a command, and a port of a board that comes and goes, both made of PTYs."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

MOTE = Path(sys.executable).with_name("mote")


def environment(**more: str) -> dict[str, str]:
    """Nothing that decides about colours but what the test gives."""
    return {**{k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}, **more}


def eventually(what: str, happened: Callable[[], object], seconds: float = 120) -> None:
    """Wait until `happened`, at most so many seconds."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


class Port:
    """A serial port at `path` with nothing behind it but the test."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ttyUSB0"
        self._outer = self._end = -1

    def plug(self) -> None:
        self._outer, self._end = pty.openpty()
        tty.setraw(self._end)
        self.path.symlink_to(os.ttyname(self._end))

    def unplug(self) -> None:
        self.path.unlink()
        os.close(self._end)
        os.close(self._outer)

    def say(self, text: str) -> None:
        os.write(self._outer, text.encode())


class Running:
    """A command of `mote` at work, and the lines that it has printed so far."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        for stream, lines in ((process.stdout, self.out), (process.stderr, self.err)):
            Thread(target=self._collect, args=(stream, lines), daemon=True).start()

    @staticmethod
    def _collect(stream: Iterator[str], lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))

    def wait_out(self, text: str) -> None:
        eventually(f"{text!r} in {self.out}, {self.err}", lambda: any(text in x for x in self.out))

    def wait_err(self, text: str) -> None:
        eventually(f"{text!r} in {self.err}", lambda: any(text in x for x in self.err))

    def stop(self) -> int:
        """Press Ctrl-C. The exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(120)


@contextmanager
def running(*arguments: str | Path, **more: str) -> Iterator[Running]:
    """`mote` with these arguments, which is not left alone at the end."""
    process = subprocess.Popen(
        [MOTE, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**more),
    )
    try:
        yield Running(process)
    finally:
        process.kill()
        process.wait()


class Terminal:
    """A terminal with `mote` in it."""

    def __init__(self, *arguments: str | Path, **more: str) -> None:
        self._outer, end = pty.openpty()
        termios.tcsetwinsize(end, (40, 200))
        self.process = subprocess.Popen(
            [MOTE, *arguments], stdin=end, stdout=end, stderr=end, env=environment(**more),
            start_new_session=True,
            # Ctrl-C reaches it only from a terminal of its own.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(end)
        self.shown = ""
        Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        # When the command has ended, so does the terminal.
        with suppress(OSError):
            while data := os.read(self._outer, 4096):
                self.shown += data.decode(errors="replace")

    def type(self, text: str) -> None:
        os.write(self._outer, text.encode())

    def wait_until_raw(self) -> None:
        """Wait until keys are passed on as they are, and so Ctrl-C is one."""
        eventually("a raw terminal", lambda: not termios.tcgetattr(self._outer)[3] & termios.ISIG)

    def wait_for(self, text: str) -> None:
        eventually(f"{text!r} on the terminal", lambda: text in self.shown)
