"""The demo as a person lives it, and the two pictures of the README, taken on the way."""

import asyncio
import re
import signal
import sys
from pathlib import Path

import pytest
from phone import browser
from playwright.async_api import expect

pytestmark = [pytest.mark.browser]

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "build" / "pictures"
MOTE = Path(sys.executable).with_name("mote")
DESK = {"viewport": {"width": 1280, "height": 860}, "device_scale_factor": 1.5}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
# Enough readings for a chart that shows something.
CHART_READINGS = 12


async def urls(demo: asyncio.subprocess.Process) -> dict[str, str]:
    """What the demo tells the person: addresses, network, password, server."""
    assert demo.stdout
    text = ""
    while "Ctrl-C ends" not in text:
        line = (await asyncio.wait_for(demo.stdout.readline(), 120)).decode()
        assert line, f"the demo ended:\n{text}"
        text += re.sub(r"\x1b\[\d+m", "", line)
    found = re.search(r"WiFi\s+(.+), password (\S+)\s+MQTT server\s+(\S+)", text)
    dashboard = re.search(r"Dashboard\s+(\S+)", text)
    portal = re.search(r"Setup portal\s+(\S+)", text)
    assert found and dashboard and portal, text
    return {
        "dashboard": dashboard[1], "portal": portal[1],
        "ssid": found[1], "password": found[2], "server": found[3],
    }  # fmt: skip


def test_the_fourth_board_is_set_up_in_the_browser_and_appears_on_the_dashboard(
    chromium, tmp_path
) -> None:
    async def walk() -> None:
        demo = await asyncio.create_subprocess_exec(
            MOTE, "demo", "--no-browser", stdout=asyncio.subprocess.PIPE
        )
        try:
            told = await urls(demo)
            PICTURES.mkdir(parents=True, exist_ok=True)
            async with browser(chromium, tmp_path, **PHONE) as page:
                await page.goto(told["portal"])
                await page.get_by_label(told["ssid"]).check()
                await page.get_by_label("WiFi password").fill(told["password"])
                await page.get_by_label("MQTT server").fill(told["server"])
                await page.screenshot(path=PICTURES / "portal.png")
                await page.get_by_label("Device ID").fill("windowsill")
                await page.get_by_role("button", name="Try and save").click()
                await expect(page.get_by_text("is on its way")).to_be_visible()
            async with browser(chromium, tmp_path, **DESK) as page:
                asked: list[str] = []
                page.on("request", lambda request: asked.append(request.url))
                await page.goto(told["dashboard"])
                card = page.locator('[data-device="windowsill"]')
                await expect(card).to_contain_text("online")
                await expect(card.locator('[data-metric="humidity"]')).to_contain_text("%")
                await expect(page.locator(".m-status.on")).to_have_count(4)
                await wait_for_readings(page, told["dashboard"], "greenhouse", "temperature")
                await page.screenshot(path=PICTURES / "dashboard.png")
                # The dashboard needs nothing from the internet.
                assert all(url.startswith((told["dashboard"], "data:")) for url in asked)
                await card.click()
                await expect(page.get_by_role("heading", name="windowsill")).to_be_visible()
                await page.get_by_role("button", name="24 h").click()
                await expect(page.locator("canvas").first).to_be_visible()
        finally:
            demo.send_signal(signal.SIGINT)
            await asyncio.wait_for(demo.communicate(), 90)
        assert demo.returncode == 0

    asyncio.run(walk())


async def wait_for_readings(page, dashboard: str, device: str, metric: str) -> None:
    address = f"{dashboard}api/readings?device={device}&metric={metric}"
    while True:
        answer = await page.request.get(address)
        if len(await answer.json()) >= CHART_READINGS:
            return
        await asyncio.sleep(0.5)


def test_the_readme_shows_pictures_of_the_real_pages() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("dashboard.png", "portal.png"):
        assert f"tests/pictures/{name}" in readme
        assert (ROOT / "tests" / "pictures" / name).read_bytes().startswith(b"\x89PNG")
