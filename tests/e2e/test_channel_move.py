"""The home is on another channel than the board: its only radio moves, and the phone falls off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mote import contract
from motesim import VirtualBoard
from motesim.network import namespaces
from phone import browser
from playwright.async_api import Page, expect
from test_from_phone_to_dashboard import TRIAL_MS, Home, fill, home, mosquitto

pytestmark = [pytest.mark.netns, pytest.mark.browser]

PORTAL = "http://192.168.4.1/"
CHANNEL = 11
# The access point outlives the success: a phone needs seconds to be back, a person to read.
SHORTEST_S, LONGEST_S = 14, 35


async def fallen_off(board: VirtualBoard) -> None:
    """Wait until no phone is on the board's network."""
    while board.network.stations():
        await asyncio.sleep(0.05)


async def stays_up(board: VirtualBoard) -> float:
    """Seconds from the saved settings until the access point goes off the air with a restart.

    By the clock of the board.
    """
    saved = await board.wait_for_log(contract.LOG_SAVED, 120)
    restarts = await board.wait_for_log(contract.LOG_RESTART, 120)
    async with asyncio.timeout(60):
        while board.radio.soft_ap.active:
            await asyncio.sleep(0.05)
    return (int(restarts.split()[1]) - int(saved.split()[1])) / 1000


@asynccontextmanager
async def moved(chromium: str, folder: Path, **context: object) -> AsyncIterator[tuple[Page, Home]]:
    """The page of a phone that has sent its entries, and has just fallen off."""
    async with home() as house:
        house.ap.channel = CHANNEL
        await mosquitto(house.server, folder)
        phone = await house.phone()
        async with browser(chromium, folder, phone.prefix, **context) as page:
            await page.goto(PORTAL)
            assert house.board.radio.soft_ap.channel != CHANNEL
            await fill(page)
            await asyncio.wait_for(fallen_off(house.board), 60)
            assert house.board.radio.soft_ap.channel == CHANNEL
            yield page, house


def test_the_page_comes_to_the_result_by_itself(chromium, tmp_path) -> None:
    async def walk() -> None:
        async with moved(chromium, tmp_path) as (page, house):
            lifetime = asyncio.create_task(stays_up(house.board))
            # Nobody touches the page: it asks again and again.
            await expect(page.get_by_text("is on its way")).to_be_visible(timeout=TRIAL_MS)
            assert SHORTEST_S <= await lifetime <= LONGEST_S

    asyncio.run(walk())


def test_a_phone_that_is_back_late_reads_the_same_result(chromium, tmp_path, monkeypatch) -> None:
    # Later than the access point would stay for a phone that is back at once.
    monkeypatch.setattr(namespaces, "REJOIN_S", 18.0)

    async def walk() -> None:
        async with moved(chromium, tmp_path) as (page, house):
            lifetime = asyncio.create_task(stays_up(house.board))
            await expect(page.get_by_text("is on its way")).to_be_visible(timeout=TRIAL_MS)
            assert house.board.radio.soft_ap.active
            assert SHORTEST_S <= await lifetime <= LONGEST_S

    asyncio.run(walk())


def test_without_javascript_the_access_point_waits_as_long(chromium, tmp_path) -> None:
    async def walk() -> None:
        async with moved(chromium, tmp_path, java_script_enabled=False) as (page, house):
            lifetime = asyncio.create_task(stays_up(house.board))
            # The page loads itself anew every 2 s. Chromium goes on so when that fails once; in
            # another browser a person does it.
            await expect(page.get_by_text("is on its way")).to_be_visible(timeout=TRIAL_MS)
            assert SHORTEST_S <= await lifetime <= LONGEST_S

    asyncio.run(walk())
