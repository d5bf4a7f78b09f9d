"""The stand-in for Wokwi's server: what its clients rely on, asked as its API has it."""

import base64
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import flash_images
import pytest
from halting_board import SECOND
from motekit import boards, image
from motekit.image import flasher_args
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from wokwi_cloud import Cloud, open_cloud

pytestmark = pytest.mark.anyio
TOKEN = {"Authorization": "Bearer any"}
DATA, PAUSE = "serial-monitor:data", "sim:pause"


class Client:
    """`await client.ask("sim:pause")` is a command; `events` are what it was told meanwhile."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.events: list[dict[str, Any]] = []

    async def ask(self, command: str, **params: Any) -> dict[str, Any]:
        """The result. Raises RuntimeError with the text of an error."""
        message = {"type": "command", "command": command, "params": params, "id": command}
        await self._connection.send(json.dumps(message))
        while (told := await self._told())["type"] != "response":
            self.events.append(told)
        assert (told["command"], told["id"]) == (command, command)
        if told["error"]:
            raise RuntimeError(told["result"]["message"])
        return told["result"]

    async def next_of(self, *names: str) -> dict[str, Any]:
        """The next of these events, which may have come already."""
        while True:
            told = self.events.pop(0) if self.events else await self._told()
            if told["event"] in names:
                return told

    async def start(self, project: Path, firmware: Path) -> None:
        """A simulation, paused, to which it listens."""
        diagram = (project / "diagram.json").read_text()
        await self.ask("file:upload", name="diagram.json", text=diagram)
        sections = []
        for offset, name in json.loads(firmware.read_text())["flash_files"].items():
            data = base64.b64encode((firmware.parent / name).read_bytes()).decode()
            await self.ask("file:upload", name=name, binary=data)
            sections.append({"offset": int(offset, 16), "file": name})
        await self.ask("serial-monitor:listen")
        await self.ask("sim:start", firmware=sections, pause=True)

    async def run_to(self, text: str) -> str:
        """Let it run until it has said `text`: what it said."""
        await self.ask("pause-point:add", id="p", type="serial-bytes", bytes=list(text.encode()))
        await self.ask("sim:resume")
        said = bytearray()
        while (told := await self.next_of(DATA, PAUSE))["event"] == DATA:
            said += bytes(told["payload"]["bytes"])
        assert told["payload"]["pausePoint"] == "p" and told["paused"]
        return said.decode()

    async def _told(self) -> dict[str, Any]:
        return json.loads(await self._connection.recv())


@asynccontextmanager
async def client() -> AsyncIterator[tuple[Client, Cloud]]:
    async with open_cloud() as cloud, connect(cloud.url, additional_headers=TOKEN) as connection:
        hello = json.loads(await connection.recv())
        assert hello["type"] == "hello" and hello["protocolVersion"] == 1
        yield Client(connection), cloud


@pytest.fixture
def firmware(projects: Path) -> Path:
    return projects.parents[1] / "build" / "wokwi" / "esp32" / flasher_args.NAME


async def test_the_uploaded_image_is_what_the_board_runs(projects: Path, tmp_path: Path) -> None:
    profile = boards.profile("esp32-devkitc")
    runtime = image.read(flash_images.synthetic("esp32"))
    # Another image than that of the projects: this one's portal asks for a password.
    made = image.build(profile, runtime, portal_password="made for this test")
    async with client() as (one, cloud):
        await one.start(projects / "esp32", flasher_args.write(made, tmp_path))
        flash = cloud.boards[0].flash.path.read_bytes()
        files = made.parts[-1]
        assert flash[files.offset : files.offset + len(files.data)] == files.data
        assert "with its password" in await one.run_to("192.168.4.1")


async def test_it_halts_where_it_is_to_halt(projects: Path, firmware: Path) -> None:
    async with client() as (one, _):
        await one.start(projects / "esp32", firmware)
        assert (await one.ask("sim:status"))["nanos"] == 0
        assert (await one.run_to("mote ")).endswith("mote ")
        halted = await one.ask("sim:status")
        assert not halted["running"] and halted["nanos"] > 0
        # What the board goes on to say is held back, and the clock stands.
        assert not one.events and await one.ask("sim:status") == halted
        assert (await one.run_to("setup: portal open")).endswith("setup: portal open")
        before = (await one.ask("sim:status"))["nanos"]
        await one.ask("sim:resume", pauseAfter=SECOND // 5)
        after = (await one.next_of(PAUSE))["nanos"]
        assert SECOND // 5 <= after - before < SECOND
        await one.ask("sim:restart", pause=True)
        assert (await one.run_to("power-on")).endswith("on ESP32 after power-on")


async def test_a_change_of_a_pin_is_told(projects: Path, firmware: Path) -> None:
    boot = {"part": "boot", "pin": "1.l"}
    async with client() as (one, _):
        await one.start(projects / "esp32", firmware)
        await one.ask("pin:listen", **boot, listen=True)
        await one.ask("control:set", part="boot", control="pressed", value=1.0)
        assert (await one.next_of("pin:change"))["payload"] == boot | {"value": False}
        assert (await one.ask("pin:read", **boot))["value"] == 0
        await one.ask("pin:listen", **boot, listen=False)
        await one.ask("control:set", part="boot", control="pressed", value=0.0)
        assert (await one.ask("pin:read", **boot))["value"] == 1
        assert not one.events


async def test_what_it_has_not_is_refused(projects: Path, firmware: Path, tmp_path: Path) -> None:
    async with client() as (one, cloud):
        with pytest.raises(RuntimeError, match="begin with sim:start"):
            await one.ask("sim:resume")
        await one.start(projects / "esp32", firmware)
        with pytest.raises(RuntimeError, match="sim:fly: unknown command"):
            await one.ask("sim:fly")
        with pytest.raises(RuntimeError, match="led has no framebuffer"):
            await one.ask("framebuffer:read", id="led")
        with pytest.raises(RuntimeError, match="heat"):
            await one.ask("control:set", part="dht", control="heat", value=1)
        other = shutil.copytree(projects / "esp32-c3", tmp_path / "c3")
        with pytest.raises(RuntimeError, match="for the ESP32, the diagram has an esp32c3"):
            await one.start(other, firmware)
        with pytest.raises(InvalidStatus, match="401"):
            async with connect(cloud.url):
                pass
