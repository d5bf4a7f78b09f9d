"""A home for one board: a WiFi, a real mosquitto, and an ear that hears all of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mote import contract
from motesim import AccessPoint, BoardSpec
from motesim.board import VirtualBoard
from motesim.network.ports import free_port
from motesim.parts import Part
from motesim.world import World

SERVER = "mqtt.local"
ADDRESS = "192.168.50.2"
HOME = AccessPoint("home", "a good password")


class Broker:
    """A mosquitto on a free port of this machine, which can be stopped and started."""

    def __init__(self, folder: Path, options: str) -> None:
        self.port = free_port()
        self._file = folder / "mosquitto.conf"
        self._file.write_text(f"user root\nlistener {self.port} 127.0.0.1\n{options}\n")

    async def start(self) -> None:
        """Returns when it takes connections."""
        self._process = await asyncio.create_subprocess_exec(
            "mosquitto", "-c", str(self._file), stderr=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except ConnectionRefusedError:
                    assert self._process.returncode is None, "mosquitto does not start"
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                return

    async def stop(self) -> None:
        self._process.kill()
        await self._process.wait()

    async def command(self, payload: str) -> None:
        """Publish a command for the board `dev`."""
        sent = await asyncio.create_subprocess_exec(
            "mosquitto_pub", "-p", str(self.port), "-q", "1",
            "-t", contract.device_topic("dev", "cmd"), "-m", payload,
        )  # fmt: skip
        assert await sent.wait() == 0


@dataclass
class Home:
    """What the tests hold in hand."""

    world: World
    broker: Broker
    wifi: AccessPoint
    boards: list[VirtualBoard] = field(default_factory=list)

    async def board(self, *parts: Part, **settings: Any) -> VirtualBoard:
        """A configured board, `dev` unless given an `id`, on; `settings` change the rest."""
        document: dict[str, Any] = {
            "version": 1,
            "id": "dev",
            "wifi": [{"ssid": self.wifi.ssid, "password": self.wifi.password}],
            "mqtt": {"host": SERVER},
            "interval": 1,
        }
        document |= settings
        spec = BoardSpec(document["id"], parts=list(parts), config=document)
        made = await self.world.add_board(spec)
        await made.power_on()
        return made


@asynccontextmanager
async def home(folder: Path, options: str = "allow_anonymous true") -> AsyncIterator[Home]:
    """A world with one WiFi and, in it, a mosquitto with `options`."""
    broker = Broker(folder, options)
    await broker.start()
    wifi = AccessPoint(HOME.ssid, HOME.password)
    try:
        async with World() as world:
            await world.add_access_point(wifi)
            world.add_host(SERVER, ADDRESS, {1883: ("127.0.0.1", broker.port)})
            yield Home(world, broker, wifi)
    finally:
        await broker.stop()
