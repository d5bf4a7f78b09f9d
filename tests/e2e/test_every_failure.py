"""Every way in which a set-up fails, as a person sees it on the phone, and the way on."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from mote import failure
from motesim.network.netns import Namespace, run
from phone import browser
from playwright.async_api import Page, expect
from test_from_phone_to_dashboard import (
    DEVICE,
    PASSWORD,
    SERVER,
    TRIAL_MS,
    Home,
    home,
    listening,
    mosquitto,
)

pytestmark = [pytest.mark.netns, pytest.mark.browser]

PORTAL = "http://192.168.4.1/"
STEPS = ["join", "address", "name", "server", "login"]
NOBODY = "192.168.50.77"
CLOSED, GUARDED, SILENT, DASHBOARD = 1884, 1885, 8000, 8080
LOGIN = "the right one"
OTHER = "Another network"


@dataclass
class Entries:
    """What a person enters; an empty password is not typed: the one before counts, where it may."""

    password: str = ""
    network: str = "Mote Home"
    listed: bool = True
    server: str = SERVER
    port: int = 1883
    mqtt_password: str = ""
    tls: bool = False
    insecure: bool = False


@asynccontextmanager
async def visit(chromium: str, folder: Path) -> AsyncIterator[tuple[Home, Page]]:
    """A home, and the page of its board on a phone."""
    async with home() as house:
        phone = await house.phone()
        async with browser(chromium, folder, phone.prefix) as page:
            await page.goto(PORTAL)
            yield house, page


async def send(page: Page, entries: Entries) -> None:
    """Fill the form in, and try."""
    await page.get_by_label("Device ID").fill(DEVICE)
    if entries.listed:
        await page.get_by_label(entries.network).check()
    else:
        # Typing alone picks the choice beside the field.
        await page.get_by_label("Name of another network").fill(entries.network)
    if entries.password:
        await page.get_by_label("WiFi password").fill(entries.password)
    await page.get_by_label("MQTT server").fill(entries.server)
    await page.get_by_label("Port", exact=True).fill(str(entries.port))
    secret = page.get_by_label("MQTT password")
    if not await secret.is_visible():
        await page.get_by_text("Advanced", exact=True).click()
    if entries.mqtt_password:
        await secret.fill(entries.mqtt_password)
    await page.get_by_label("Secure connection (TLS)").set_checked(entries.tls)
    any_server = page.get_by_label("Accept any server")
    if entries.insecure and not await any_server.is_visible():
        await page.get_by_text("Advanced", exact=True).click()
    if await any_server.is_visible():
        await any_server.set_checked(entries.insecure)
    await page.get_by_role("button", name="Try and save").click()


async def fails(house: Home, page: Page, entries: Entries, reason: str) -> None:
    """The page tells `reason` and what to do, and leads back to the form with what was entered."""
    await send(page, entries)
    step, what, remedy = failure.explained(reason)
    alert = page.get_by_role("alert")
    failed = page.get_by_role("heading", name="That did not work")
    await expect(failed).to_be_visible(timeout=TRIAL_MS)
    told = await alert.get_by_role("heading").inner_text()
    assert told == what[0].upper() + what[1:], f"the log ends: {house.board.log[-4:]}"
    await expect(alert).to_contain_text(remedy)
    place = STEPS.index(step)
    classes = ["done"] * place + ["fail"] + [""] * (len(STEPS) - 1 - place)
    await expect(page.locator("#live li")).to_have_class(classes)
    assert house.board.radio.soft_ap.active

    await page.get_by_role("button", name="Change the entries").click()
    await expect(page.get_by_role("heading", name="Set up your board")).to_be_visible()
    # The failure stays in sight of who corrects it.
    await expect(page.get_by_role("alert")).to_contain_text(remedy)
    await expect(page.get_by_label("Device ID")).to_have_value(DEVICE)
    if entries.listed:
        await expect(page.get_by_label(entries.network)).to_be_checked()
    else:
        await expect(page.get_by_label(OTHER, exact=True)).to_be_checked()
        await expect(page.get_by_label("Name of another network")).to_have_value(entries.network)
    await expect(page.get_by_label("MQTT server")).to_have_value(entries.server)
    await expect(page.get_by_label("Port", exact=True)).to_have_value(str(entries.port))
    await expect(page.get_by_label("WiFi password")).to_have_value("")
    await expect(page.get_by_label("MQTT password")).to_have_value("")
    assert house.board.radio.soft_ap.active


async def works(page: Page, entries: Entries) -> None:
    await send(page, entries)
    await expect(page.get_by_text("is on its way")).to_be_visible(timeout=TRIAL_MS)


async def guarded(server: Namespace, folder: Path) -> None:
    """A mosquitto that wants the password of the device."""
    accounts = folder / "accounts"
    await run("mosquitto_passwd", "-b", "-c", str(accounts), DEVICE, LOGIN)
    config = folder / "guarded.conf"
    # As another user it could not read a file of this one.
    config.write_text(f"user root\nlistener {GUARDED}\npassword_file {accounts}\n")
    await server.spawn("mosquitto", "-c", str(config))
    await listening(server, GUARDED)


async def web_servers(server: Namespace, folder: Path) -> None:
    """The dashboard, which answers that this is no HTTP; a server that waits for a line's end."""
    mote = str(Path(sys.executable).with_name("mote"))
    dashboard = ("--dashboard-host", "0.0.0.0", "--port", str(DASHBOARD), "--mqtt-port", "9999")
    await server.spawn(mote, "hub", "--data", str(folder / "hub"), *dashboard)
    await server.spawn(sys.executable, "-m", "http.server", str(SILENT))
    for port in (DASHBOARD, SILENT):
        await listening(server, port)


def test_each_failure_of_the_wifi_is_told_and_corrected(chromium, tmp_path) -> None:
    async def walk() -> None:
        async with visit(chromium, tmp_path) as (house, page):
            await mosquitto(house.server, tmp_path)
            await fails(house, page, Entries("wrong password"), failure.WRONG_PASSWORD)
            absent = Entries(PASSWORD, network="Gone & away", listed=False)
            await fails(house, page, absent, failure.NETWORK_NOT_FOUND)
            house.ap.dhcp = False
            await fails(house, page, Entries(PASSWORD), failure.NO_ADDRESS)
            house.ap.dhcp = True
            # The password of the entries before is still known.
            await works(page, Entries())

    asyncio.run(walk())


def test_each_failure_to_reach_the_server_is_told_and_corrected(chromium, tmp_path) -> None:
    async def walk() -> None:
        async with visit(chromium, tmp_path) as (house, page):
            await mosquitto(house.server, tmp_path)
            await web_servers(house.server, tmp_path)
            unknown = Entries(PASSWORD, server="mqtt.hoem")
            await fails(house, page, unknown, failure.NAME_NOT_FOUND)
            # Linux gives up when ARP has no answer; lwIP goes on asking until it is NO_ANSWER.
            await fails(house, page, Entries(server=NOBODY), failure.UNREACHABLE)
            await fails(house, page, Entries(port=CLOSED), failure.REFUSED)
            await fails(house, page, Entries(port=DASHBOARD), failure.NOT_MQTT)
            await fails(house, page, Entries(port=SILENT), failure.NO_ANSWER)
            await works(page, Entries())

    asyncio.run(walk())


def test_each_failure_to_log_in_is_told_and_corrected(chromium, tmp_path) -> None:
    async def walk() -> None:
        async with visit(chromium, tmp_path) as (house, page):
            await guarded(house.server, tmp_path)
            wrong = Entries(PASSWORD, port=GUARDED, mqtt_password="the wrong one")
            await fails(house, page, wrong, failure.BAD_LOGIN)
            right = Entries(port=GUARDED, mqtt_password=LOGIN, tls=True)
            await fails(house, page, right, failure.NO_CA)
            right.insecure = True
            await fails(house, page, right, failure.NO_TLS)
            enough, house.board.core.beside = house.board.core.beside, (20_000, 18_000)
            await fails(house, page, right, failure.NO_MEMORY)
            house.board.core.beside = enough
            # Without TLS it is another way to the server: the password is entered once more.
            right.tls, right.insecure = False, False
            await works(page, right)

    asyncio.run(walk())
