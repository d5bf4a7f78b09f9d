"""The serial port of a board: a PTY that outlives resets, and the log of what the board said."""

import asyncio
import contextlib
import os
import pty
import termios
import tty

LOG_LINES = 2000
CTRL_C = b"\x03"
# A program that asks the world nothing for so long is interrupted by a signal; seconds.
PATIENCE_S = 1


class SerialPort:
    """Bridges a board's console to a PTY that a terminal program can open at `path`."""

    def __init__(self) -> None:
        self._outer, outer_end = pty.openpty()
        tty.setraw(outer_end)
        self.path = os.ttyname(outer_end)
        # Kept open: with no one at the other end reads of a PTY would fail.
        self._outer_end = outer_end
        self._inner: int | None = None
        self._rest = b""
        self._news = asyncio.Condition()
        self.log: list[str] = []
        self.count = 0
        self._interrupting: asyncio.TimerHandle | None = None
        os.set_blocking(self._outer, False)
        asyncio.get_running_loop().add_reader(self._outer, self._typed)

    def connect(self) -> int:
        """A fresh console for a process; the caller gives it away and closes it."""
        self.disconnect()
        self._inner, end = pty.openpty()
        modes = termios.tcgetattr(end)
        # No echo from the line; MicroPython echoes by itself.
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(end, termios.TCSANOW, modes)
        os.set_blocking(self._inner, False)
        asyncio.get_running_loop().add_reader(self._inner, self._spoke)
        return end

    def disconnect(self) -> None:
        self.interrupted()
        if self._inner is not None:
            self._spoke()
        if self._inner is not None:
            asyncio.get_running_loop().remove_reader(self._inner)
            os.close(self._inner)
            self._inner = None

    def close(self) -> None:
        self.disconnect()
        asyncio.get_running_loop().remove_reader(self._outer)
        os.close(self._outer)
        os.close(self._outer_end)

    def type(self, data: bytes) -> None:
        """Send bytes to the board, as a terminal does."""
        while self._inner is not None and data:
            before, interrupt, data = data.partition(CTRL_C)
            self._write(before)
            if interrupt and not self._at_work():
                self._write(interrupt)
            elif interrupt and self._interrupting is None:
                loop = asyncio.get_running_loop()
                self._interrupting = loop.call_later(PATIENCE_S, self._signal)

    def interrupted(self) -> bool:
        """Whether Ctrl-C waits to be raised, which the caller then does.

        Silicon raises it between two bytecodes; a signal would strike the unix runtime anywhere,
        even amid a garbage collection, and leave its heap locked.
        """
        waiting, self._interrupting = self._interrupting, None
        if waiting:
            waiting.cancel()
        return waiting is not None

    def _at_work(self) -> bool:
        """Whether a program runs: the REPL has signals from the terminal switched off."""
        return self._inner is not None and bool(termios.tcgetattr(self._inner)[3] & termios.ISIG)

    def _signal(self) -> None:
        self._interrupting = None
        self._write(CTRL_C)

    def _write(self, data: bytes) -> None:
        if self._inner is not None:
            with contextlib.suppress(OSError):
                os.write(self._inner, data)

    async def wait_for(self, text: str, since: int = 0) -> str:
        """The first line with `text` in it, past (from line number `since`) or to come."""

        def found() -> str | None:
            first = max(0, since - (self.count - len(self.log)))
            return next((line for line in self.log[first:] if text in line), None)

        async with self._news:
            await self._news.wait_for(lambda: found() is not None)
        line = found()
        assert line is not None
        return line

    async def next_lines(self, since: int) -> list[str]:
        """The lines after number `since`, as soon as there is one."""
        async with self._news:
            await self._news.wait_for(lambda: self.count > since)
        return self.log[len(self.log) - min(self.count - since, len(self.log)) :]

    def _typed(self) -> None:
        with contextlib.suppress(OSError):
            self.type(os.read(self._outer, 4096))

    def _spoke(self) -> None:
        try:
            assert self._inner is not None
            data = os.read(self._inner, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            if self._inner is not None:
                asyncio.get_running_loop().remove_reader(self._inner)
            return
        # Nobody has to listen: what does not fit is lost, as on a wire.
        with contextlib.suppress(OSError):
            os.write(self._outer, data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines:
            self.log += [line.decode(errors="replace").rstrip("\r") for line in lines]
            self.count += len(lines)
            del self.log[:-LOG_LINES]
            task = asyncio.get_running_loop().create_task(self._tell())
            task.add_done_callback(lambda _: None)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()
