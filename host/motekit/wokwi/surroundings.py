"""What is around a board in a scenario of the local board: its MQTT server and its WiFi.

They are parts with a `$`: `$mqtt` and `$wifi`. What they tell is the output of a chip.
"""

import asyncio
import contextlib
import re
import shutil
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path

import mote
from mote import contract
from mote.update import versions
from motesim import VirtualBoard, World

from motekit import boards, firmware, orders, places, update
from motekit.broker.memory import MemoryBackend
from motekit.broker.server import Server
from motekit.orders.conversation import Message
from motekit.supervision import logged
from motekit.wokwi.gate import Gate

MQTT, WIFI = "$mqtt", "$wifi"
# Servers that boards in Wokwi reach: one for everybody, and the own machine by a private gateway.
NAMES = {"test.mosquitto.org": "203.0.113.10", "host.wokwi.internal": "10.13.37.1"}
CONTROLS = {MQTT: ("up", "identify", "update"), WIFI: ("up",)}
_GOOD = 1
ANSWER_S = 30
_BAD_RELEASE = "\n\nraise RuntimeError('a bad release')\n"
Tell = Callable[[str, str], None]


class Surroundings:
    """A world with an MQTT server; `folder` is for what it keeps. Leave it with `close`."""

    def __init__(self, world: World, board: VirtualBoard, folder: Path, tell: Tell) -> None:
        self._world = world
        self._board = board
        self._folder = folder
        self._tell = tell
        self._leaving = contextlib.AsyncExitStack()
        self._orders: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        broker = Server(MemoryBackend(), [listener])
        await broker.start()
        self._leaving.push_async_callback(broker.stop)
        self._talk = await self._leaving.enter_async_context(
            orders.conversation(orders.Server("127.0.0.1", port))
        )
        for pattern in ("sensors/#", "backfill/#", "devices/+/status"):
            self._talk.hear(pattern, self._heard, qos=1)
        self._gate = Gate(port)
        self._leaving.callback(self._gate.shut)
        await self._gate.open()
        for name, address in NAMES.items():
            target = {contract.MQTT_PORT: ("127.0.0.1", self._gate.port)}
            self._world.add_host(name, address, target)

    async def close(self) -> None:
        for task in self._orders:
            task.cancel()
        await asyncio.gather(*self._orders, return_exceptions=True)
        await self._board.cut_power()
        await self._leaving.aclose()

    async def turn(self, part: str, control: str, value: float, device: str) -> None:
        """What `set-control` does to a `$` part; `device` is who the board is on MQTT."""
        if part == WIFI:
            for ap in self._world.air.access_points:
                self._world.switch(ap, up=bool(value))
        elif control == "up":
            await self._gate.open() if value else self._gate.shut()
        elif control == "identify":
            self._order(self._identify(device, value))
        else:
            self._order(self._update(device, good=value == _GOOD))

    def _heard(self, message: Message) -> None:
        self._tell("mqtt", f"{message.topic} {message.payload.decode(errors='replace')}")

    def _order(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(logged("a command of a scenario", work))
        self._orders.add(task)
        task.add_done_callback(self._orders.discard)

    async def _identify(self, device: str, seconds: float) -> None:
        answer = await self._talk.ask(device, ANSWER_S, cmd="identify", seconds=seconds)
        self._tell("mqtt", "identify is answered" if answer["ok"] else answer["error"])

    async def _update(self, device: str, *, good: bool) -> None:
        made = await asyncio.to_thread(self._release, self._board.profile, good)
        try:
            await update.send(made, device, self._talk)
            self._tell("update", f"{made.manifest['version']} stays")
        except update.UpdateError as error:
            self._tell("update", str(error))

    def _release(self, profile: boards.Profile, good: bool) -> update.Bundle:
        """This firmware as the next version, signed with the user's key; a bad one does not run."""
        source = self._folder / f"release-{good}"
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(places.FIRMWARE, source, ignore=skipped, dirs_exist_ok=True)
        major, minor, patch = versions.key(mote.__version__)[0]
        version = f"{major}.{minor}.{patch + (1 if good else 2)}"
        head = source / "mote" / "__init__.py"
        text = re.sub(r'(__version__ = ").*"', rf'\g<1>{version}"', head.read_text("utf-8"))
        head.write_text(text, "utf-8")
        if not good:
            with (source / "mote" / "running.py").open("a", encoding="utf-8") as file:
                file.write(_BAD_RELEASE)
        key = update.private_key()
        tree = firmware.build(profile, source, update.public_bytes(key))
        return update.make_application(tree / firmware.SLOT, version, key)
