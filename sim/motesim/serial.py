"""The serial port of a board: a PTY that outlives resets, and the log of what the board said.

The raw REPL, raw paste and all the rest that `mpremote` talks to are the runtime's own. What the
port does around them is done here: line ends, Ctrl-C, the soft reset, a console that takes bytes.
"""

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import termios
import time
import tty
from collections.abc import Callable

from motekit.supervision import logged

from motesim.outlet import Outlet
from motesim.signals import caught_signals

LOG_LINES = 2000
CTRL_A, CTRL_C = b"\x01", b"\x03"
# A program that asks the world nothing for so long is interrupted by a signal; seconds.
PATIENCE_S = 1
# Whoever reads the port takes something within so many seconds, or is taken for gone.
LISTENER_S = 1
# Within so many seconds the kernel has brought what was written to where its reader finds it.
DELIVERED_S = 0.05
# What tells the two REPLs apart when they begin (shared/runtime/pyexec.c).
RAW_REPL = b"raw REPL; CTRL-B to exit\r\n"
FRIENDLY_REPL = b'Type "help()" for more information.\r\n'
LONE_LINE_FEED = re.compile(rb"(?<!\r)\n")


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
        self._said_at = time.monotonic()
        self._news = asyncio.Condition()
        self.log: list[str] = []
        self.count = 0
        # Whether the REPL is the raw one: a soft reset leaves it as it is.
        self.raw_repl = False
        self._tail = b""
        # What the REPL says until it is the raw one again, None when it need not become it.
        self._unheard: bytes | None = None
        # Whether the board runs files of its own, which Ctrl-C may end.
        self.booted = False
        # What was typed while the chip started.
        self._early = b""
        self._interrupting: asyncio.TimerHandle | None = None
        # Set while a question waits for its answer: ends the wait for Ctrl-C.
        self.stop_waiting: Callable[[], object] | None = None
        os.set_blocking(self._outer, False)
        self._out = Outlet(self._outer, self._hold_inner, LISTENER_S)
        self._in: Outlet | None = None
        self._hold_outer(False)

    def connect(self, *, soft_reset: bool) -> int:
        """A fresh console for a process; the caller gives it away and closes it.

        After a soft reset the REPL is the one that it was before.
        """
        self.disconnect()
        self.raw_repl = self.raw_repl and soft_reset
        self._inner, end = pty.openpty()
        # The world does what a terminal would: bytes have to pass as they are.
        tty.setraw(end)
        os.set_blocking(self._inner, False)
        self._in = Outlet(self._inner, self._hold_outer)
        self._hold_inner(False)
        return end

    def disconnect(self) -> None:
        self._forget_interrupt()
        self.booted = False
        self._early = b""
        self._listen()
        self._unheard = None
        if self._in is not None and self._inner is not None:
            self._in.drop()
            self._hold_inner(True)
            os.close(self._inner)
        self._inner = self._in = None

    def close(self) -> None:
        self.disconnect()
        self._out.drop()
        self._hold_outer(True)
        os.close(self._outer)
        os.close(self._outer_end)

    def type(self, data: bytes) -> None:
        """Send bytes to the board, as a terminal does."""
        if self._in is not None and not self.booted and (self._early or CTRL_C in data):
            self._early += data
            self._interrupt()
            return
        if self._interrupting and not self._at_work():
            # The program had ended before it could be interrupted, and this is for another.
            self._forget_interrupt()
        while self._in is not None and data:
            before, interrupt, data = data.partition(CTRL_C)
            self._in.write(before)
            if interrupt and not self._at_work():
                self._in.write(interrupt)
            elif interrupt:
                self._interrupt()

    def interrupted(self) -> bool:
        """Whether Ctrl-C waits to be raised, which the caller then does.

        Silicon raises it between two bytecodes; a signal would strike the unix runtime anywhere,
        even amid a garbage collection, and leave its heap locked.
        """
        self._type_early()
        if self._interrupting is None:
            return False
        self._forget_interrupt()
        return True

    def _type_early(self) -> None:
        """Pass on what came while the chip started, as the files of the board now want it."""
        if self.booted and self._early:
            self._forget_interrupt()
            early, self._early = self._early, b""
            self.type(early)

    async def serial_write(self, data: str) -> None:
        """Bytes, in hex, that the board sends as they are."""
        self._listen()
        self.say(bytes.fromhex(data))
        await self._out.room.wait()

    def serial_repl(self) -> None:
        """The board's files have run: what follows is the REPL."""
        self._type_early()
        self._listen()
        self._forget_interrupt()
        if self.raw_repl and self._in is not None:
            # The runtime always begins with the friendly one.
            self._unheard = b""
            self._in.write(CTRL_A)

    def say(self, data: bytes) -> None:
        """Send `data` to whoever listens, and to the log."""
        now = time.monotonic()
        if now - self._said_at > DELIVERED_S and not self._unread():
            # Somebody has read what was said before.
            self._out.heard = True
        self._said_at = now
        self._out.write(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines:
            self.log += [line.decode(errors="replace").rstrip("\r") for line in lines]
            self.count += len(lines)
            del self.log[:-LOG_LINES]
            task = asyncio.get_running_loop().create_task(logged("the serial log", self._tell()))
            task.add_done_callback(lambda _: None)

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

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    def _typed(self) -> None:
        with contextlib.suppress(OSError):
            data = os.read(self._outer, 4096)
            self._out.heard = True
            self.type(data)

    def _unread(self) -> bool:
        count = fcntl.ioctl(self._outer_end, termios.FIONREAD, bytes(4))
        return bool(struct.unpack("i", count)[0])

    def _listen(self) -> None:
        """Take in all that the board has said so far."""
        while self._spoke():
            pass

    def _spoke(self) -> bool:
        if self._inner is None:
            return False
        try:
            data = os.read(self._inner, 4096)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._inner)
            return False
        said = self._tail + data
        raw, friendly = said.rfind(RAW_REPL), said.rfind(FRIENDLY_REPL)
        if raw != friendly:
            self.raw_repl = raw > friendly
        # The line end of the port, of which the runtime says only the second half.
        after_return = self._tail.endswith(b"\r")
        data = (
            LONE_LINE_FEED.sub(b"\r\n", b"\r" + data)[1:]
            if after_return
            else (LONE_LINE_FEED.sub(b"\r\n", data))
        )
        self._tail = said[-len(FRIENDLY_REPL) :]
        if self._unheard is not None:
            self._unheard += data
            begin = self._unheard.find(RAW_REPL)
            if begin < 0:
                return True
            data, self._unheard = self._unheard[begin:], None
        self.say(data)
        return True

    def _hold_inner(self, held: bool) -> None:
        """Let the board wait before it says more, or no longer."""
        if self._inner is None:
            return
        loop = asyncio.get_running_loop()
        if held:
            loop.remove_reader(self._inner)
        else:
            loop.add_reader(self._inner, self._spoke)

    def _hold_outer(self, held: bool) -> None:
        """Let whoever types wait, or no longer."""
        loop = asyncio.get_running_loop()
        if held:
            loop.remove_reader(self._outer)
        else:
            loop.add_reader(self._outer, self._typed)

    def _interrupt(self) -> None:
        if self._interrupting is None:
            loop = asyncio.get_running_loop()
            self._interrupting = loop.call_later(PATIENCE_S, self._signal)
        if self.booted and self.stop_waiting:
            self.stop_waiting()

    def _forget_interrupt(self) -> None:
        if self._interrupting:
            self._interrupting.cancel()
            self._interrupting = None

    def _signal(self) -> None:
        self._interrupting = None
        if not self.booted or self.stop_waiting:
            # What waits for the world has asked meanwhile: its answer is the interrupt.
            self._interrupt()
            return
        self._type_early()
        self._forget_interrupt()
        if self._at_work() and self._inner is not None:
            os.killpg(os.tcgetpgrp(self._inner), signal.SIGINT)

    def _at_work(self) -> bool:
        """Whether a program runs that Ctrl-C may end: the runtime catches SIGINT only then.

        `micropython.kbd_intr(-1)` ends it as well, and Ctrl-C is a byte like any other.
        """
        if self._inner is None or not self.booted:
            return True
        return bool(caught_signals(os.tcgetpgrp(self._inner)) >> (signal.SIGINT - 1) & 1)
