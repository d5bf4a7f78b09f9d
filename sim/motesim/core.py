"""The core of a chip: identity, reset cause, clock, RTC memory, watchdog, heap."""

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

from motesim.chips import Chip
from motesim.errors import Silicon, Stopped

if TYPE_CHECKING:
    from motesim.board import VirtualBoard

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
RTC_MEMORY = 2048
RELEASE = "1.27.0"
ESP_ERR_NVS_NOT_FOUND = "ESP_ERR_NVS_NOT_FOUND"
# Python's heap on the official image in running mode, what of it the port itself has taken by
# main.py (firmware/MEMORY.md, field measurements), and how many bytes of the 64-bit runtime's heap
# hold the same objects: see README.md, "The heap".
RUNNING_PYTHON_HEAP, PORT_OBJECTS = 126_000, 5_824
ESP32_FREE_HEAP = RUNNING_PYTHON_HEAP - PORT_OBJECTS
WIDTH_RATIO = 1.45
# Set-up mode of the official image with a phone on the page (firmware/MEMORY.md): the size of
# Python's heap, and the other heap's free bytes, also in one piece.
SET_UP_PYTHON_HEAP = 97_984
SET_UP_BESIDE = (51_120, 49_152)
RUNNING_BESIDE = (34_056, 32_768)
# Running mode without TLS when Python's heap has its share (firmware/MEMORY.md, "the same, with its
# share"): free, and in one piece.
SHARED_BESIDE = (16_672, 12_800)
# Bytes of the table of 640 names that a chip makes for the firmware; here one for 1280 is there
# before (power_on.py), and the heap is smaller instead.
NAMES = 640 * 11


class Core:
    """Answers `machine.*`, `rtc.*`, `wdt.*`, `chip.*`, `nvs.*` and the power-on of the models."""

    def __init__(self, chip: Chip, mac: str, board: "VirtualBoard") -> None:
        self.chip = chip
        self._mac = mac
        self._board = board
        self.heap = int(ESP32_FREE_HEAP * WIDTH_RATIO) - NAMES
        self.heap_at_start = (0, 0)
        self.slot, self.release = "", RELEASE
        self.reset_cause = PWRON_RESET
        self.celsius = 42.0
        # Free, and free in one piece, of the memory that is not Python's: on the official image
        # with an MQTT connection, when Python's heap has grown to what it is here (MEMORY.md).
        self._beside = RUNNING_BESIDE
        self.beside_is_set = False
        self.set_up_beside = SET_UP_BESIDE
        # The least that was free of it since set-up mode began.
        self.beside_low = SET_UP_BESIDE[0]
        # Whether Python's heap grows in running mode, too, out of `shared_beside`, as on a chip;
        # else what does not fit is a MemoryError. Set before the power comes.
        self.heap_grows = False
        self.shared_beside = SHARED_BESIDE
        # What Python's heap has taken of the other, growth by growth.
        self.python_grew: list[int] = []
        self._rtc_offset_ns = 0
        self._rtc_memory = b""
        self._nvs: dict[tuple[str, str], int | str] = {}
        self._watchdog: asyncio.TimerHandle | None = None
        self._watchdog_s = 0.0
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._noise = random.Random(mac)
        self.cold()

    def cold(self) -> None:
        """Power comes: the clock starts at 2000-01-01, RTC memory is empty."""
        self.reset_cause = PWRON_RESET
        # Counted from the port's epoch, 2000-01-01.
        self._rtc_offset_ns = -time.time_ns()
        self._rtc_memory = b""

    def stopped(self) -> None:
        """The chip no longer runs: its watchdog and timers are gone."""
        if self._watchdog:
            self._watchdog.cancel()
            self._watchdog = None
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def power_on(self) -> dict[str, Any]:
        return self._board.settings()

    def running(self, free: int, used: int) -> None:
        self.heap_at_start = (free, used)
        self._board.serial.booted = True

    def boot(self, slot: str | None, release: str) -> None:
        """The boot loader chose a slot; its image says which MicroPython it is."""
        if slot is None:
            raise Stopped
        self.slot = slot
        self.release = release or RELEASE

    def machine_reset(self) -> None:
        self._board.ends_itself(HARD_RESET)
        raise Stopped

    def machine_soft_reset(self) -> None:
        self._board.ends_itself(SOFT_RESET)
        raise Stopped

    def machine_deepsleep(self, milliseconds: int) -> None:
        self._board.ends_itself(DEEPSLEEP_RESET, sleep_s=milliseconds / 1000)
        raise Stopped

    def machine_reset_cause(self) -> int:
        return self.reset_cause

    def machine_unique_id(self) -> str:
        return self._mac

    def os_uname(self) -> list[str]:
        sysname = self.chip.sysname
        return [sysname, sysname, self.release, f"v{self.release} on 2025-12-09", self.chip.machine]

    def rtc_offset_ns(self) -> int:
        return self._rtc_offset_ns

    def rtc_set(self, offset_ns: int) -> None:
        self._rtc_offset_ns = offset_ns

    def rtc_memory(self) -> str:
        return self._rtc_memory.hex()

    def rtc_set_memory(self, data: str) -> None:
        content = bytes.fromhex(data)
        if len(content) > RTC_MEMORY:
            raise Silicon("ValueError", "buffer too long")
        self._rtc_memory = content

    def wdt_start(self, milliseconds: int) -> None:
        if milliseconds <= 0:
            raise Silicon("ValueError", "WDT timeout too short")
        self._watchdog_s = milliseconds / 1000
        self.wdt_feed()

    def wdt_feed(self) -> None:
        if self._watchdog:
            self._watchdog.cancel()
        loop = asyncio.get_running_loop()
        self._watchdog = loop.call_later(self._watchdog_s, self._board.ends_itself, WDT_RESET)

    def timer_start(self, number: int, milliseconds: int) -> None:
        """A periodic timer. The runtime's REPL blocks callbacks: a timer feeds the watchdog."""
        self.timer_stop(number)
        loop = asyncio.get_running_loop()

        def tick() -> None:
            if self._watchdog:
                self.wdt_feed()
            self._timers[number] = loop.call_later(milliseconds / 1000, tick)

        self._timers[number] = loop.call_later(milliseconds / 1000, tick)

    def timer_stop(self, number: int) -> None:
        timer = self._timers.pop(number, None)
        if timer:
            timer.cancel()

    def chip_has(self, name: str) -> bool:
        return self.chip.temperature_call == name

    def chip_celsius(self) -> float:
        return round(self.celsius + self._noise.gauss(0, 0.3), 1)

    def chip_fahrenheit(self) -> int:
        return round(self.chip_celsius() * 9 / 5 + 32)

    def chip_idf_heap(self, capabilities: int) -> list[list[int]]:
        # Total, free, largest, the least that was free.
        free, largest = self.beside
        return [[113_840, free, largest, free]]

    def chip_set_up_heap(self) -> list[float]:
        """What Python can take before its heap grows; the other heap; bytes here for one there."""
        self.beside_low = self.set_up_beside[0]
        limit = (SET_UP_PYTHON_HEAP - PORT_OBJECTS) * WIDTH_RATIO - NAMES
        return [int(limit), *self.set_up_beside, WIDTH_RATIO]

    def chip_running_heap(self) -> list[float] | None:
        """As `chip_set_up_heap`, of running mode; None where it is not modelled."""
        if not self.heap_grows:
            return None
        self.beside_low = min(self.beside_low, self.shared_beside[0])
        return [self.heap, *self.shared_beside, WIDTH_RATIO]

    def chip_python_grew(self, size: int) -> None:
        """Python's heap took so many bytes of the other."""
        self.python_grew.append(size)

    @property
    def process_heap(self) -> int:
        """What the process leaves to the board: with what its heap may grow by, if it does."""
        reserve = self.shared_beside[1] * WIDTH_RATIO if self.heap_grows else 0
        return self.heap + int(reserve)

    def chip_beside_low(self, free: int) -> None:
        """The other heap has never had less than this free."""
        self.beside_low = min(self.beside_low, free)

    @property
    def beside(self) -> tuple[int, int]:
        """Free bytes of the other heap, and of its largest block, in running mode."""
        return self._beside

    @beside.setter
    def beside(self, figures: tuple[int, int]) -> None:
        """Tell the board these figures in every mode."""
        self._beside = figures
        self.beside_is_set = figures != RUNNING_BESIDE

    def chip_beside_is_set(self) -> bool:
        return self.beside_is_set

    def nvs_set(self, namespace: str, key: str, value: int | str) -> None:
        self._nvs[namespace, key] = value

    def nvs_get(self, namespace: str, key: str, kind: str) -> int | str:
        value = self._nvs.get((namespace, key))
        if value is None or isinstance(value, int) != (kind == "i32"):
            raise Silicon("OSError", ESP_ERR_NVS_NOT_FOUND)
        return value

    def nvs_erase(self, namespace: str, key: str) -> None:
        if self._nvs.pop((namespace, key), None) is None:
            raise Silicon("OSError", ESP_ERR_NVS_NOT_FOUND)

    def nvs_commit(self) -> None:
        """Values are kept at once in the model."""
