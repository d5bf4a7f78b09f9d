"""The one place that knows `mpremote`: its command line, and its transport (pinned, it changes)."""

import contextlib
import io
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from motekit.serial import ports

# Longest pause in what a board says while it works for us; seconds.
SILENCE_S = 10
ATTEMPTS = 3


class RemoteError(Exception):
    """The board did not do what it was told; the text is for a person."""


class NoPromptError(RemoteError):
    """Whatever is at the port, it does not give us MicroPython's prompt."""


class Remote:
    """A board whose program is stopped, and that runs ours."""

    def __init__(self, path: str, transport: Any) -> None:
        self._path = path
        self._transport = transport

    def run(self, program: str) -> str:
        """Send `program` by raw paste and return what it printed.

        Raises RemoteError with the last line of the board's traceback. The program is in no error.
        """
        with _told(self._path):
            printed, fault = self._transport.exec_raw(program, timeout=SILENCE_S)
        if fault:
            raise RemoteError(fault.decode(errors="replace").strip().splitlines()[-1])
        return str(printed.decode(errors="replace"))

    def leave(self, program: str) -> Any:
        """Start `program`, which restarts the board. The open port, to listen what it says."""
        with _told(self._path):
            self._transport.exec_raw_no_follow(program)
        return self._transport.serial


@contextlib.contextmanager
def stopped(path: str) -> Iterator[Remote]:
    """Stop the program of the board at `path`, with its memory as it is.

    No soft reset: it ends the timer that feeds the watchdog while somebody is at the prompt.
    Raises PortError, RemoteError.
    """
    from mpremote.transport_serial import SerialTransport

    # Tried first: what mpremote says about a port that cannot be opened helps nobody.
    with ports.opened(path):
        pass
    with _told(path):
        transport = SerialTransport(path, timeout=SILENCE_S)
    try:
        _enter(path, transport)
        yield Remote(path, transport)
    finally:
        # A board whose USB is in the chip itself is gone by now.
        with contextlib.suppress(OSError):
            transport.close()


def shell(path: str) -> int:
    """Connect this terminal to the REPL of the board at `path` until Ctrl-]. The exit code."""
    # `resume` leaves the board's program as it is.
    command = [sys.executable, "-m", "mpremote", "connect", path, "resume", "repl"]
    return subprocess.call(command)


def _enter(path: str, transport: Any) -> None:
    from mpremote.transport import TransportError

    for attempt in range(ATTEMPTS):
        try:
            # It prints what came instead of the prompt, which is for nobody.
            with contextlib.redirect_stdout(io.StringIO()):
                transport.enter_raw_repl(soft_reset=False, timeout_overall=SILENCE_S)
                # A board that restarts at this moment had a prompt, and has none.
                transport.exec_raw("pass", timeout=SILENCE_S)
            return
        except (TransportError, OSError, struct.error) as error:
            # A board that was just starting listens the second time.
            if attempt == ATTEMPTS - 1:
                raise NoPromptError(f"nothing at {path} answers as MicroPython does") from error


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    from mpremote.transport import TransportError

    try:
        yield
    except (TransportError, OSError, struct.error) as error:
        raise RemoteError(
            f"the connection to the board at {path} broke off; check the cable, and run the same "
            "command again: it finishes the job"
        ) from error
