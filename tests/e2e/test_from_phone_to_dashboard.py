"""The test that the product stands on: a phone, a board, a server, a reading on a screen.

Real parts: Chromium on the phone, mosquitto or the hub as the server, the firmware on MicroPython,
DHCP, DNS and routing of Linux. Modelled: the radio and the sensors.
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from crowding import within
from mote import contract
from motesim import AccessPoint, BoardSpec, VirtualBoard, World
from motesim.network.namespaces import NamespaceNetwork, Phone
from motesim.network.netns import Namespace, run
from motesim.parts import Bme280
from mqtt_ear import ear
from phone import browser
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.netns, pytest.mark.browser]

# What Android asks for after it has joined a network (AOSP, NetworkMonitor).
PROBE = "http://connectivitycheck.gstatic.com/generate_204"
SERVER = "mqtt.home"
DEVICE = "plant1"
PASSWORD = "correct horse"
TRIAL_MS = 90_000
# The status of a board whose power was cut: one and a half keep-alives of 20 s, and much air.
OFFLINE_S = 120


class Home:
    """A home with a WiFi, a machine for the server, and a new board in reach."""

    def __init__(
        self, world: World, network: NamespaceNetwork, ap: AccessPoint, server: Namespace,
        board: VirtualBoard,
    ) -> None:  # fmt: skip
        self.world, self.network, self.ap = world, network, ap
        self.server, self.board = server, board

    async def phone(self) -> Phone:
        """A phone that has joined the board's own network."""
        await self.board.wait_for_log(contract.LOG_SETUP, 60)
        phone = await self.network.phone(self.board.network)
        await phone.join()
        return phone


@asynccontextmanager
async def home() -> AsyncIterator[Home]:
    network = NamespaceNetwork()
    async with World(network) as world:
        ap = await world.add_access_point(AccessPoint("Mote Home", PASSWORD))
        await world.add_access_point(AccessPoint("Neighbour <b>&", "something else", rssi=-78))
        server = await network.add_host(ap, SERVER)
        board = await world.add_board(BoardSpec("board", parts=[Bme280(temperature=21.53)]))
        await board.power_on()
        yield Home(world, network, ap, server, board)


async def fill(page: Page, password: str = PASSWORD, **advanced: str) -> None:
    """What a person enters: the network from the list, its password, the server."""
    await page.get_by_label("Device ID").fill(DEVICE)
    await page.get_by_label("Mote Home").check()
    await page.get_by_label("WiFi password").fill(password)
    await page.get_by_label("MQTT server").fill(SERVER)
    if advanced:
        await page.get_by_text("Advanced").click()
    for label, value in advanced.items():
        await page.get_by_label(label.replace("_", " "), exact=True).fill(value)
    await page.get_by_role("button", name="Try and save").click()


async def mosquitto(server: Namespace, folder: Path) -> None:
    config = folder / "mosquitto.conf"
    config.write_text("listener 1883\nallow_anonymous true\n")
    await server.spawn("mosquitto", "-c", str(config))
    await listening(server, 1883)


async def listening(server: Namespace, port: int) -> None:
    """Wait until a server that was started there takes connections."""
    probe = f"until : 2>/dev/null >/dev/tcp/127.0.0.1/{port}; do sleep 0.05; done"
    await asyncio.wait_for(run(*server.prefix, "bash", "-c", probe), 90)


def test_a_phone_sets_a_board_up_and_mosquitto_gets_its_readings(chromium, tmp_path) -> None:
    async def walk() -> None:
        async with home() as house:
            await mosquitto(house.server, tmp_path)
            phone = await house.phone()
            async with browser(chromium, tmp_path, phone.prefix) as page:
                # The phone's own probe is led to the portal.
                await page.goto(PROBE)
                assert page.url == "http://192.168.4.1/"
                await expect(page.get_by_role("heading", name="Set up your board")).to_be_visible()
                await fill(page)
                await expect(page.get_by_text("is on its way")).to_be_visible(timeout=TRIAL_MS)
            async with ear(house.server.prefix, "-t", "#") as heard:
                topic = contract.sensor_topic(DEVICE, "temperature")
                _, payload = await heard.wait_for(lambda t, p: t == topic, 60)
                assert payload == "21.53"
                status = contract.device_topic(DEVICE, "status")
                await heard.wait_for(lambda t, p: (t, p) == (status, "online"), 60)
                readings = [p for t, p in heard.heard if t.startswith("sensors/")]
                assert all(f"{float(p):.3f}".rstrip("0").rstrip(".") == p for p in readings)
                await house.board.cut_power()
                await heard.wait_for(lambda t, p: (t, p) == (status, "offline"), OFFLINE_S)

    asyncio.run(walk())


def test_with_the_hub_as_server_the_value_reaches_the_dashboard(chromium, tmp_path) -> None:
    async def walk() -> None:
        async with home() as house:
            mote = str(Path(sys.executable).with_name("mote"))
            data = str(tmp_path / "hub")
            added = await asyncio.create_subprocess_exec(
                mote, "hub", "add", DEVICE, "--data", data, "--json", stdout=asyncio.subprocess.PIPE
            )
            account = json.loads((await added.communicate())[0])
            await house.server.spawn(mote, "hub", "--data", data)
            await listening(house.server, 1883)
            phone = await house.phone()
            async with browser(chromium, tmp_path, phone.prefix) as page:
                await page.goto(PROBE)
                await fill(page, MQTT_password=account["password"])
                await expect(page.get_by_text("is on its way")).to_be_visible(timeout=TRIAL_MS)
            await house.board.wait_for_log(contract.LOG_FIRST_READING, 60)
            folder = tmp_path / "desk"
            folder.mkdir()
            async with browser(chromium, folder, house.server.prefix) as page:
                await page.goto("http://127.0.0.1:8080/")
                card = page.locator(f'[data-device="{DEVICE}"]')
                await expect(card).to_contain_text("online")
                value = card.locator('[data-metric="temperature"] [data-value]')
                await expect(value).to_have_text("21.5")
                house.board.set("temperature", 30.2)
                await expect(value).to_have_text("30.2")
                await house.board.cut_power()
                await expect(card).to_contain_text("offline", timeout=OFFLINE_S * 1000)

    asyncio.run(walk())


def test_a_wrong_password_is_said_in_20_s_with_the_portal_still_up(chromium, tmp_path) -> None:
    async def walk() -> None:
        async with home() as house:
            await mosquitto(house.server, tmp_path)
            phone = await house.phone()
            async with browser(chromium, tmp_path, phone.prefix) as page:
                await page.goto("http://192.168.4.1/")
                alert = page.get_by_role("alert")
                with within(20):
                    await fill(page, password="wrong password")
                    await expect(alert).to_contain_text("password was not accepted")
                await page.get_by_role("button", name="Change the entries").click()
                # The entries are kept; the password is not sent back.
                await expect(page.get_by_label("Device ID")).to_have_value(DEVICE)
                await expect(page.get_by_label("Mote Home")).to_be_checked()
                await expect(page.get_by_label("WiFi password")).to_have_value("")
                await page.get_by_label("WiFi password").fill(PASSWORD)
                await page.get_by_role("button", name="Try and save").click()
                await expect(page.get_by_text("is on its way")).to_be_visible(timeout=TRIAL_MS)

    asyncio.run(walk())


def test_a_missing_field_is_named_and_the_rest_is_kept(chromium, tmp_path) -> None:
    async def walk() -> None:
        async with home() as house:
            phone = await house.phone()
            async with browser(chromium, tmp_path, phone.prefix, java_script_enabled=False) as page:
                await page.goto("http://192.168.4.1/")
                await page.get_by_label("Device ID").fill("my plant")
                await page.get_by_label("Mote Home").check()
                await page.get_by_label("MQTT server").fill("not a name")
                await page.get_by_role("button", name="Try and save").click()
                alert = page.get_by_role("alert")
                await expect(alert.get_by_role("link", name="Device ID")).to_be_visible()
                await expect(alert.get_by_role("link", name="MQTT server")).to_be_visible()
                await expect(page.get_by_text("1 to 32 letters")).to_be_visible()
                await expect(page.get_by_label("MQTT server")).to_have_accessible_description(
                    re.compile("A name or an address")
                )
                await expect(page.get_by_label("Device ID")).to_have_value("my plant")
                await expect(page.get_by_label("Mote Home")).to_be_checked()
                await expect(page.get_by_label("Device ID")).to_have_attribute(
                    "aria-invalid", "true"
                )

    asyncio.run(walk())
