"""A board at a serial cable: RTS is its EN, DTR its GPIO 0.

In download mode it is esp32-mock-bootloader, which obeys esptool; what else it does on a reset is
up to `boots`. Between computer and chip lies a `Line`, which can lose bytes or reset the chip.
"""

import contextlib
import fcntl
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from esp32_mock_bootloader import server as mock
from serial.urlhandler import protocol_socket

# Its own 50 ms are too short for a computer with more to do.
mock._CLIENT_RECV_TIMEOUT = 5.0
SECTOR = 4096
ROM_BANNER = b"\r\nrst:0x1 (POWERON_RESET),boot:0x%02x (%s)\r\n"
DOWNLOAD = b"DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2)"


@dataclass
class Line:
    """What happens on the way to the chip, counted in bytes of the computer since the last fault.

    After `intact` bytes the next `lost` are lost, or with `resets` the chip restarts; `times` says
    how often. Above `limit` baud every byte from the computer is damaged.
    """

    intact: int = 0
    lost: int = 0
    resets: bool = False
    times: int = 0
    limit: int = 10_000_000
    seen: int = 0

    def carried(self, data: bytes, baud: int) -> tuple[bytes, bool]:
        """What arrives of `data`, and whether the chip resets."""
        if baud > self.limit:
            return bytes(byte ^ 0x55 for byte in data), False
        self.seen += len(data)
        if not self.times or self.seen <= self.intact:
            return data, False
        self.seen = 0
        self.times -= 1
        return data[self.lost :], self.resets


class SmallFlash(bytearray):
    """A flash that says it is larger than it is: the upper address bits are ignored."""

    def __init__(self, claimed: int, size: int) -> None:
        super().__init__(b"\xff" * size)
        self._claimed = claimed

    def __len__(self) -> int:
        return self._claimed

    def __getitem__(self, place):
        size = super().__len__()
        if not isinstance(place, slice):
            return super().__getitem__(place % size)
        start, stop, _ = place.indices(self._claimed)
        return (bytes(self) * (self._claimed // size))[start:stop]

    def __setitem__(self, place, value) -> None:
        if isinstance(place, slice):
            assert place == slice(None), "only an erasure of all of it"
            super().__setitem__(slice(None), value[: super().__len__()])
        else:
            super().__setitem__(place % super().__len__(), value)


class Cable(protocol_socket.Serial):
    """The computer's end: a serial port for pyserial whose lines RTS and DTR reach the board."""

    def __init__(self, board: "BenchBoard") -> None:
        self._board = board
        # esptool takes the way of resetting that needs no ioctl of a terminal from this name.
        super().__init__("rfc2217:bench", 115200)

    def open(self) -> None:
        self.logger = None
        self._socket, board_end = socket.socketpair()
        self.is_open = True
        self._board.plugged(board_end)

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self._board.unplugged()
            self._socket.close()

    @property
    def in_waiting(self) -> int:
        return struct.unpack("i", fcntl.ioctl(self._socket, termios.FIONREAD, b"\0" * 4))[0]

    def _reconfigure_port(self) -> None:
        self._board.baudrate = self.baudrate

    def _update_dtr_state(self) -> None:
        self._board.dtr = self._dtr_state

    def _update_rts_state(self) -> None:
        self._board.rts = self._rts_state


@dataclass
class BenchBoard:
    """One board. `boots` is called in a thread of its own at a reset into the program."""

    chip: str = "esp32"
    size: int = 4 << 20
    boots: Callable[["BenchBoard"], None] = lambda board: None
    line: Line = field(default_factory=Line)
    # A cable without the line to GPIO 0, which many home-made adapters lack.
    enters_download: bool = True
    # What is no ESP32 prints no banner; without a chip it says nothing at all.
    banner: bool = True
    # Whatever is read from the flash arrives damaged.
    garbles_reads: bool = False
    # Bytes take the time that they take on a real line, ten bits each.
    paced: bool = False
    baudrate: int = 115200
    dtr: bool = False

    def __post_init__(self) -> None:
        self.flash = mock.FlashImage()
        self.flash.data = bytearray(b"\xff" * self.size)
        self.resets = 0
        self.bauds: list[int] = []
        self._rts = False
        self._computer: socket.socket | None = None
        self._chip: socket.socket | None = None
        self._stop = threading.Event()

    @contextlib.contextmanager
    def opened(self, port: str) -> Iterator[Cable]:
        """Open the board's serial port, and close it."""
        with contextlib.closing(Cable(self)) as cable:
            yield cable

    @property
    def listened(self) -> bool:
        """Whether a computer has the port open."""
        return self._computer is not None

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, level: bool) -> None:
        released = self._rts and not level
        self._rts = level
        if released:
            self.reset()

    def reset(self) -> None:
        """Let go of EN: GPIO 0 decides what starts."""
        self.resets += 1
        self._power_down()
        if self.chip and self.dtr and self.enters_download:
            self.say(ROM_BANNER % (0x03, DOWNLOAD) + b"waiting for download\r\n")
            self._download()
        else:
            if self.banner:
                self.say(ROM_BANNER % (0x13, b"SPI_FAST_FLASH_BOOT"))
            threading.Thread(target=self.boots, args=(self,), daemon=True).start()

    def say(self, data: bytes) -> None:
        """Send bytes to the computer, if one listens."""
        self._take_time(data)
        with contextlib.suppress(OSError, AttributeError):
            self._computer.sendall(data)

    def plugged(self, computer: socket.socket) -> None:
        """A computer opened the port."""
        self._computer = computer
        threading.Thread(target=self._listen, args=(computer,), daemon=True).start()

    def unplugged(self) -> None:
        self._computer = None

    def _listen(self, computer: socket.socket) -> None:
        with contextlib.suppress(OSError), computer:
            while data := computer.recv(65536):
                if self.baudrate not in self.bauds:
                    self.bauds.append(self.baudrate)
                self._take_time(data)
                data, reset = self.line.carried(data, self.baudrate)
                if self._chip and data:
                    self._chip.sendall(data)
                if reset:
                    self.reset()

    def _take_time(self, data: bytes) -> None:
        if self.paced:
            time.sleep(10 * len(data) / self.baudrate)

    def _download(self) -> None:
        ours, theirs = socket.socketpair()
        self._chip, self._stop = ours, threading.Event()
        connection = mock.BootloaderConnection(sock=theirs)
        serving = {"exit_on_disconnect": True, "flash": self.flash}
        threading.Thread(
            target=mock.handle_client,
            args=(connection, self._stop, self.chip),
            kwargs=serving,
            daemon=True,
        ).start()
        threading.Thread(target=self._answer, args=(ours,), daemon=True).start()

    def _answer(self, chip: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := chip.recv(65536):
                if self.garbles_reads and len(data) > SECTOR:
                    data = data.replace(b"\x00", b"")
                if chip is self._chip:
                    self.say(data)

    def _power_down(self) -> None:
        self._stop.set()
        chip, self._chip = self._chip, None
        if chip:
            with contextlib.suppress(OSError):
                chip.shutdown(socket.SHUT_RDWR)
            chip.close()
