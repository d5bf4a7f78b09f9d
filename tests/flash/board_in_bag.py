"""A new board at a USB port: a PTY that esptool flashes and `mpremote` talks to afterwards.

A PTY has no reset lines, so two things stand for them: esptool's first packet for a reset into
download mode, and the fall back to the rate of the log for a reset into what was written.
"""

import os
import pty
import select
import socket
import termios
import threading
import tty
from contextlib import suppress

import bench_programs
from bench_board import BenchBoard
from board_at_usb import Bench
from motekit import image
from motesim import BoardSpec, VirtualBoard

# The command SYNC, as SLIP begins it (esptool, "Serial Protocol").
SYNC = b"\xc0\x00\x08\x24\x00"
# How often the rate is looked at; seconds.
LOOK_S = 0.02
# Whoever reads the port takes something within so many seconds, or is taken for gone.
LISTENER_S = 5
# The watchdog of the ROM lets it try again after so many seconds.
ROM_S = 0.3


class BoardInBag:
    """An ESP32 with the station's address `mac`; `path` is its port, `board` what runs on it."""

    def __init__(self, room: Bench, name: str, mac: str) -> None:
        self.board: VirtualBoard | None = None
        self._room = room
        self._name = name
        self._chip = BenchBoard(mac=mac, boots=self._boots)
        self._outer, self._end = pty.openpty()
        tty.setraw(self._end)
        os.set_blocking(self._outer, False)
        self.path = os.ttyname(self._end)
        self._line, computer = socket.socketpair()
        self._chip.plugged(computer)
        self._program: int | None = None
        self._starts = 0
        self._downloads = self._synced = self._fast = False
        self._over = threading.Event()
        self._pump = threading.Thread(target=self._carry, daemon=True)
        self._pump.start()
        self._reset(into_download=False)

    def close(self) -> None:
        self._over.set()
        self._pump.join()
        self._stop()
        for end in (self._outer, self._end):
            os.close(end)
        self._line.close()

    def _carry(self) -> None:
        while not self._over.is_set():
            ends = [self._outer, self._line, *([self._program] if self._program else [])]
            ready, _, _ = select.select(ends, [], [], LOOK_S)
            self._look_at_rate()
            if self._outer in ready:
                self._to_board(os.read(self._outer, 65536))
            if self._line in ready:
                self._to_computer(self._line.recv(65536))
            if self._program in ready:
                with suppress(OSError, TypeError):
                    self._to_computer(os.read(self._program, 65536))

    def _look_at_rate(self) -> None:
        fast = termios.tcgetattr(self._outer)[5] != termios.B115200
        if self._fast and not fast and self._downloads:
            self._downloads = False
            self._reset(into_download=False)
        self._fast = fast

    def _to_board(self, data: bytes) -> None:
        sync = data.startswith(SYNC)
        if sync and not (self._downloads and self._synced):
            self._stop()
            self._downloads = True
            self._reset(into_download=True)
        self._synced = sync
        if self._downloads:
            self._line.sendall(data)
        elif self._program:
            os.write(self._program, data)

    def _to_computer(self, data: bytes) -> None:
        patience = LISTENER_S if self._downloads or self._program else 0
        while data and select.select([], [self._outer], [], patience)[1]:
            data = data[os.write(self._outer, data) :]

    def _reset(self, *, into_download: bool) -> None:
        self._chip.dtr = into_download
        self._chip.reset()

    def _boots(self, chip: BenchBoard) -> None:
        """Start what is in the flash, if all of it is there; else say so, as the ROM does."""
        resets = chip.resets
        whole = bytes(chip.flash.data)
        with suppress(image.ImageError):
            if "/app_a/mote/app.mpy" in bench_programs.files(chip):
                self._room.do(self._start(whole, chip.mac))
                return
        while chip.resets == resets and not self._over.wait(ROM_S):
            chip.say(b"invalid header: 0xffffffff\r\n")

    async def _start(self, whole: bytes, mac: str) -> None:
        self._starts += 1
        spec = BoardSpec(f"{self._name}{self._starts}", image=whole, mac=mac)
        self.board = await self._room.world.add_board(spec)
        self._program = os.open(self.board.serial_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        await self.board.power_on()

    def _stop(self) -> None:
        """Whoever flashes it finds what its program has left in the flash."""
        if not self.board or self._program is None:
            return
        os.close(self._program)
        self._program = None
        self._room.do(self.board.cut_power())
        self._chip.flash.data = bytearray(self.board.flash.path.read_bytes())
