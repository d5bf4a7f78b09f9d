"""A person leaves the server's name empty: the board looks for it in the network, by mDNS."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from motesim.network.netns import Namespace
from mqtt_ear import ear
from phone import browser
from playwright.async_api import Page, expect
from test_from_phone_to_dashboard import DEVICE, PASSWORD, TRIAL_MS, Home, home, mosquitto

pytestmark = [pytest.mark.netns, pytest.mark.browser]

PORTAL = "http://192.168.4.1/"
ANNOUNCER = str(Path(__file__).with_name("mdns_server.py"))
PUBLISHED_S = 120


async def announce(server: Namespace, folder: Path, number: int, name: str, host: str) -> None:
    """Let the machine at `<subnet>.<number>` tell of its MQTT server."""
    address, done = f"192.168.50.{number}", folder / f"announced-{number}"
    await server.spawn(sys.executable, ANNOUNCER, address, name, f"{host}.", str(done))
    async with asyncio.timeout(90):
        while not done.exists():
            await asyncio.sleep(0.05)


async def search(page: Page) -> None:
    """Enter everything but a server."""
    await page.goto(PORTAL)
    await page.get_by_label("Device ID").fill(DEVICE)
    await page.get_by_label("Mote Home").check()
    await page.get_by_label("WiFi password").fill(PASSWORD)
    assert await page.get_by_label("MQTT server").input_value() == ""
    await page.get_by_role("button", name="Try and save").click()


async def publishes(house: Home, server: Namespace) -> None:
    """Switched on again, the board brings its readings to this server."""
    await house.board.power_on()
    async with ear(server.prefix, "-t", f"sensors/{DEVICE}/#") as heard:
        await heard.wait_for(lambda t, p: True, PUBLISHED_S)


async def saved_host(house: Home) -> str:
    """What is on the flash: read without power, when nothing of it is on its way."""
    await house.board.cut_power()
    return json.loads(house.board.flash.read("config.json"))["mqtt"]["host"]


def test_the_only_server_is_taken_without_asking(chromium, tmp_path) -> None:
    async def walk() -> None:
        async with home() as house:
            await mosquitto(house.server, tmp_path)
            await announce(house.server, tmp_path, 10, "Hub", "hub.local")
            phone = await house.phone()
            async with browser(chromium, tmp_path, phone.prefix) as page:
                await search(page)
                await expect(page.get_by_text("is on its way")).to_be_visible(timeout=TRIAL_MS)
            assert await saved_host(house) == "hub.local"
            await publishes(house, house.server)

    asyncio.run(walk())


def test_of_two_servers_the_person_picks_one(chromium, tmp_path) -> None:
    async def walk() -> None:
        async with home() as house:
            # The router's DNS does not know the second one: only mDNS does.
            second = await house.network.add_host(house.ap, "unused", 11)
            for server, number, name in ((house.server, 10, "Hub"), (second, 11, "Attic")):
                await announce(server, tmp_path, number, name, f"{name.lower()}.local")
                await mosquitto(server, tmp_path)
            phone = await house.phone()
            async with browser(chromium, tmp_path, phone.prefix) as page:
                await search(page)
                alert = page.get_by_role("alert")
                await expect(alert).to_contain_text(
                    "Your network has more than one MQTT server", timeout=TRIAL_MS
                )
                await expect(alert).to_contain_text("can be chosen in the form")
                await page.get_by_role("button", name="Change the entries").click()
                found = page.get_by_role("group", name="Servers found in your network")
                await expect(found.get_by_label("Hub")).to_be_visible()
                await expect(found).to_contain_text("hub.local:1883")
                await found.get_by_label("Attic").check()
                await page.get_by_role("button", name="Try and save").click()
                await expect(page.get_by_text("is on its way")).to_be_visible(timeout=TRIAL_MS)
            assert await saved_host(house) == "attic.local"
            await publishes(house, second)

    asyncio.run(walk())


def test_no_server_at_all_is_told(chromium, tmp_path) -> None:
    async def walk() -> None:
        async with home() as house:
            await mosquitto(house.server, tmp_path)
            phone = await house.phone()
            async with browser(chromium, tmp_path, phone.prefix) as page:
                await search(page)
                alert = page.get_by_role("alert")
                await expect(alert).to_contain_text(
                    "No MQTT server was found in your network", timeout=TRIAL_MS
                )
                await expect(alert).to_contain_text("Enter the server's name or its address.")
                classes = ["done", "done", "fail", "", ""]
                await expect(page.locator("#live li")).to_have_class(classes)
                # There is nothing that could be saved.
                await expect(page.get_by_role("button", name="Save anyway")).to_have_count(0)
                await page.get_by_role("button", name="Change the entries").click()
                await expect(page.get_by_label("Device ID")).to_have_value(DEVICE)
                await expect(page.get_by_label("MQTT server")).to_have_value("")

    asyncio.run(walk())
