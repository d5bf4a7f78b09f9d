"""One virtual board: its power, its resets, its watchdog, its serial port."""

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
import termios
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motekit.boards import Profile
from motekit.supervision import logged

from motesim.air import Air
from motesim.chips import CHIPS
from motesim.core import PWRON_RESET, SOFT_RESET, Core
from motesim.errors import SimulationError, Stopped
from motesim.flash import Flash
from motesim.network import BoardNetwork
from motesim.parts import Part
from motesim.pins import Pins
from motesim.questions import Questions
from motesim.radio import Radio
from motesim.serial import SerialPort

RUNTIME = Path(__file__).parents[1] / "runtime"
# The heap of the process; what is above the board's own free heap is taken away at power-on.
HEAP = "2M"
# What the port says then (ports/esp32/main.c).
SOFT_REBOOT = b"MPY: soft reboot\r\n"


@dataclass
class BoardSpec:
    """A board to be made. `config` is saved on its flash; None leaves it in its setup portal.

    `chip` is esp32, esp32s3, esp32c3 or esp32c6, `board` one of provisioning/boards with that chip,
    empty for its usual one. `mac` is the station's, twelve hex digits, or empty for one that is
    derived from the board's place in the world. `firmware` replaces Mote by a tree of other files,
    `image` by the bytes of a whole flash, as `mote image` makes them. `key` is the public key whose
    updates over the air the board takes. With `two_slots` its flash has room for two images of
    MicroPython, and less for files.
    """

    name: str
    chip: str = "esp32"
    parts: list[Part] = field(default_factory=list)
    config: dict[str, Any] | None = None
    mac: str = ""
    board: str = ""
    firmware: Path | None = None
    image: bytes | None = None
    key: bytes = b""
    two_slots: bool = False


class VirtualBoard:
    """A board in a world. Made by `World.add_board`; off until `power_on`."""

    def __init__(
        self, spec: BoardSpec, profile: Profile, mac: str, flash: Flash, air: Air,
        network: BoardNetwork, frozen: Path,
    ) -> None:  # fmt: skip
        chip = CHIPS[spec.chip]
        self.profile = profile
        self.name = spec.name
        self.mac = mac
        self.flash = flash
        self.network = network
        self.serial = SerialPort()
        self.pins = Pins(chip, spec.parts, profile.pins)
        self.radio = Radio(air, network, mac)
        self.core = Core(chip, mac, self)
        self._frozen = frozen
        self._questions = Questions(self)
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: asyncio.Task[None] | None = None
        # A chip that is being switched off is off before it is switched on again.
        self._switch = asyncio.Lock()
        # The operation of the flash, counted from the next power-on, that a power cut tears.
        self.cut_at = 0

    @property
    def device_id(self) -> str:
        """The name that an unconfigured board gives itself."""
        return "IOT_" + self.mac.upper()

    @property
    def powered(self) -> bool:
        return self._process is not None

    @property
    def log(self) -> list[str]:
        return self.serial.log

    def log_since(self, number: int) -> list[str]:
        """The lines from `number` on, as `serial.count` counts them."""
        return self.log[max(0, len(self.log) - (self.serial.count - number)) :]

    @property
    def serial_path(self) -> str:
        return self.serial.path

    @property
    def portal_url(self) -> str:
        """Where a browser of a person on this board's network finds its portal."""
        visitor = getattr(self.network, "visitor", None)
        return visitor.url if visitor else "http://192.168.4.1/"

    async def wait_for_log(self, text: str, timeout: float, since: int = 0) -> str:
        """The first line with `text`, at or after line number `since`; `timeout` in seconds.

        Raises TimeoutError with the end of the log.
        """
        try:
            return await asyncio.wait_for(self.serial.wait_for(text, since), timeout)
        except TimeoutError:
            tail = "\n".join(self.log[-15:])
            raise TimeoutError(
                f"{self.name}: no line with {text!r} in {timeout} s; its log ends:\n{tail}"
            ) from None

    async def power_on(self) -> None:
        """Give it power: the chip starts cold."""
        async with self._switch:
            if not self.powered:
                self.core.cold()
                await self._start()

    async def cut_power(self) -> None:
        """Take the power away, at once; a sleep or a reset under way ends with it."""
        if self._ending and self._ending is not asyncio.current_task():
            self._ending.cancel()
        async with self._switch:
            await self._stop()
            self.pins.power_lost()

    async def reset(self, cause: int = PWRON_RESET) -> None:
        """Reset it as the EN button does, which is a power-on; `cause` as `machine.reset_cause`."""
        async with self._switch:
            await self._stop()
            if cause == PWRON_RESET:
                self.core.cold()
            self.core.reset_cause = cause
            await self._start()

    def ends_itself(self, cause: int, sleep_s: float | None = None) -> None:
        """The chip asked for a reset or a deep sleep: carried out from outside the question."""

        async def end() -> None:
            async with self._switch:
                await self._stop()
            if sleep_s is not None:
                await asyncio.sleep(sleep_s)
            await self.reset(cause)

        self._ending = asyncio.create_task(logged("the reset of a board", end()))

    def loses_power(self) -> None:
        """The flash model reached the operation at which the power goes."""
        self.cut_at = 0
        self._ending = asyncio.create_task(logged("the power cut of a board", self.cut_power()))
        raise Stopped

    def set(self, quantity: str, value: float) -> None:
        """Turn a knob: `quantity` of whichever part has it. Raises SimulationError if none has."""
        for part in self.pins.parts:
            if quantity in part.names:
                part.set(quantity, value)
                return
        known = sorted({name for part in self.pins.parts for name in part.names})
        raise SimulationError(
            f"{self.name} has nothing with a {quantity}; it has: {', '.join(known) or 'no parts'}"
        )

    async def press(self, button: str, seconds: float) -> None:
        """Hold a button down for `seconds`."""
        if button not in self.pins.buttons:
            raise SimulationError(
                f"{self.name} has no button {button}; it has: {', '.join(self.pins.buttons)}"
            )
        pressed = self.pins.buttons[button]
        pressed.pressed = True
        try:
            await asyncio.sleep(seconds)
        finally:
            pressed.pressed = False

    async def close(self) -> None:
        if self._ending and not self._ending.done():
            self._ending.cancel()
        await self._stop()
        await self.network.close()
        self.serial.close()

    def settings(self) -> dict[str, Any]:
        """What the chip's ROM is told at power-on."""
        return {
            "flash": str(self.flash.path.resolve()),
            "fs_start": self.flash.files_at.offset,
            "two_slots": self.flash.two_slots,
            "fs_size": self.flash.files_at.size,
            "cut_at": self.cut_at,
            "mapped": self.network.mapped,
            "raw_repl": self.serial.raw_repl,
        }

    async def _start(self) -> None:
        question_end, ask_end = os.pipe()
        answer_end, reply_end = os.pipe()
        soft_reset = self.core.reset_cause == SOFT_RESET
        if soft_reset:
            self.serial.say(SOFT_REBOOT)
        console = self.serial.connect(soft_reset=soft_reset)
        runtime = Path(sys.executable).with_name("micropython")

        def own_console() -> None:
            # The pipes get the numbers that the models open; Ctrl-C needs a terminal of its own.
            # First out of the way: either may be a 3 or a 4 itself.
            ask, answer = (fcntl.fcntl(end, fcntl.F_DUPFD, 5) for end in (ask_end, answer_end))
            os.dup2(ask, 3)
            os.dup2(answer, 4)
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.network.prefix,
                str(runtime),
                "-X",
                f"heapsize={HEAP}",
                "-i",
                str(RUNTIME / "power_on.py"),
                str(RUNTIME / "models"),
                str(self._frozen),
                str(self.core.process_heap),
                stdin=console,
                stdout=console,
                stderr=console,
                pass_fds=(3, 4, ask_end, answer_end),
                start_new_session=True,
                preexec_fn=own_console,
                # Without a home its REPL keeps no history on this machine.
                env={"PATH": os.environ["PATH"]},
            )
        except FileNotFoundError:
            raise SimulationError(
                "the MicroPython runtime is not installed for this machine; it exists for "
                "Linux on x86-64 and macOS"
            ) from None
        finally:
            for end in (ask_end, answer_end, console):
                os.close(end)
        self._tasks = [
            asyncio.create_task(
                logged("the world of a board", self._questions.serve(question_end, reply_end))
            ),
            asyncio.create_task(logged("the watch of a board", self._watch(self._process))),
        ]

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        # First the air, then the chip: nothing that the kernel closes may reach anyone.
        self.radio.stop()
        await self.network.power_lost()
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
        for task in self._tasks:
            task.cancel()
        self.core.stopped()
        self.serial.disconnect()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """The runtime ended by itself: a soft reset (Ctrl-D at the REPL), as on silicon."""
        await process.wait()
        if self._process is process:
            self.ends_itself(SOFT_RESET)
