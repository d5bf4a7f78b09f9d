"""The stand-in for Wokwi's server: the API client of wokwi-cli finds there what it relies on."""

from pathlib import Path

import flash_images
import mote
import pytest
from api_client import PAUSE, api_client
from halting_board import SECOND
from motekit import boards, image
from motekit.image import flasher_args
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from wokwi_cloud import open_cloud

pytestmark = [pytest.mark.anyio, pytest.mark.node]


@pytest.fixture
def diagram(projects: Path) -> Path:
    return projects / "esp32" / "diagram.json"


@pytest.fixture
def firmware(projects: Path) -> Path:
    return projects.parents[1] / "build" / "wokwi" / "esp32" / flasher_args.NAME


async def test_the_uploaded_image_is_what_the_board_runs(diagram: Path, tmp_path: Path) -> None:
    profile = boards.profile("esp32-devkitc")
    runtime = image.read(flash_images.synthetic("esp32"))
    # Another image than that of the projects: this one's portal asks for a password.
    made = image.build(profile, runtime, portal_password="made for this test")
    async with open_cloud() as cloud, api_client(cloud) as client:
        await client.start(diagram, flasher_args.write(made, tmp_path))
        flash = cloud.boards[0].flash.path.read_bytes()
        files = made.parts[-1]
        assert flash[files.offset : files.offset + len(files.data)] == files.data
        assert "with its password" in await client.run_to("192.168.4.1")


async def test_it_halts_where_it_is_to_halt(diagram: Path, firmware: Path) -> None:
    async with open_cloud() as cloud, api_client(cloud) as client:
        # The time-out of wokwi-cli is told before there is a simulation.
        end = {"id": "end", "type": "time-absolute", "nanos": 60 * SECOND}
        await client.ask("sendCommand", "pause-point:add", end)
        await client.start(diagram, firmware)
        assert await client.ask("simStatus") == {"running": False, "nanos": 0}
        assert (await client.run_to("mote ")).endswith("mote ")
        halted = await client.ask("simStatus")
        assert not halted["running"] and halted["nanos"] > 0
        # What the board goes on to say is held back, and the clock stands.
        said = await client.run_to("setup: portal open")
        assert said.startswith(f"{mote.__version__} on ESP32")
        assert said.endswith("setup: portal open")
        before = (await client.ask("simStatus"))["nanos"]
        await client.ask("delay", SECOND // 5)
        after = (await client.ask("simStatus"))["nanos"]
        assert SECOND // 5 <= after - before < 2 * SECOND
        end |= {"nanos": after + SECOND // 5}
        await client.ask("sendCommand", "pause-point:add", end)
        client.events.clear()
        await client.ask("simResume")
        told = await client.next_of(PAUSE)
        assert told["payload"]["pausePoint"] == "end" and told["nanos"] >= end["nanos"]
        await client.ask("simRestart", {"pause": True})
        assert await client.ask("simStatus") == {"running": False, "nanos": 0}
        assert (await client.run_to("power-on")).endswith("on ESP32 after power-on")


async def test_a_change_of_a_pin_is_told(diagram: Path, firmware: Path) -> None:
    boot = {"part": "boot", "pin": "1.l"}
    async with open_cloud() as cloud, api_client(cloud) as client:
        await client.start(diagram, firmware)
        await client.ask("sendCommand", "pin:listen", boot | {"listen": True})
        await client.ask("controlSet", "boot", "pressed", 1)
        assert (await client.next_of("pin:change"))["payload"] == boot | {"value": False}
        assert (await client.ask("pinRead", "boot", "1.l"))["value"] == 0
        await client.ask("sendCommand", "pin:listen", boot | {"listen": False})
        await client.ask("controlSet", "boot", "pressed", 0)
        assert (await client.ask("pinRead", "boot", "1.l"))["value"] == 1
        assert not client.events


async def test_what_it_has_not_is_refused(
    diagram: Path, firmware: Path, projects: Path, tmp_path: Path
) -> None:
    async with open_cloud() as cloud, api_client(cloud) as client:
        with pytest.raises(RuntimeError, match="begin with sim:start"):
            await client.ask("simResume")
        await client.start(diagram, firmware)
        with pytest.raises(RuntimeError, match="sim:fly: unknown command"):
            await client.ask("sendCommand", "sim:fly")
        with pytest.raises(RuntimeError, match="led has no framebuffer"):
            await client.ask("framebufferRead", "led")
        with pytest.raises(RuntimeError, match="dht has no control heat"):
            await client.ask("controlSet", "dht", "heat", 1)
        with pytest.raises(RuntimeError, match="for the ESP32, the diagram has an esp32c3"):
            await client.start(projects / "esp32-c3" / "diagram.json", firmware)
        with pytest.raises(InvalidStatus, match="401"):
            async with connect(cloud.url):
                pass
