"""The hub tells the network where it is."""

import asyncio
import os

import pytest
from motekit.hub import announce
from motekit.hub.announce import SERVICE, Announcement
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests run hubs on this machine, which are announced under its name."""
    monkeypatch.setattr("motekit.hub.announce.own_name", lambda: f"mote-test-{os.getpid()}.local")


async def test_a_hub_that_is_announced_is_found_by_its_service_with_its_port() -> None:
    announcement = Announcement(18899)
    assert await announcement.start(), "this machine has no network"
    try:
        seeker = AsyncZeroconf()
        try:
            info = AsyncServiceInfo(SERVICE, announcement.name)
            assert await info.async_request(seeker.zeroconf, 90_000)
            assert info.port == 18899 and info.server == announcement.host
            assert info.parsed_addresses()
        finally:
            await seeker.async_close()
    finally:
        await announcement.stop()


async def test_what_was_announced_is_taken_back() -> None:
    announcement = Announcement(18898)
    await announcement.start()
    await announcement.stop()
    seeker = AsyncZeroconf()
    try:
        info = AsyncServiceInfo(SERVICE, announcement.name)
        assert not await info.async_request(seeker.zeroconf, 1_000)
    finally:
        await seeker.async_close()
    await asyncio.wait_for(announcement.stop(), 60)


async def test_a_hub_that_starts_before_its_network_is_announced_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[list[str]] = [[], []]
    known = announce.own_addresses

    def addresses() -> list[str]:
        return found.pop() if found else known()

    monkeypatch.setattr(announce, "own_addresses", addresses)
    monkeypatch.setattr(announce, "RETRY_S", 0.01)
    announcement = Announcement(18897)
    assert not await announcement.start()
    await asyncio.wait_for(announcement.keep_trying(), 60)
    seeker = AsyncZeroconf()
    try:
        info = AsyncServiceInfo(SERVICE, announcement.name)
        assert await info.async_request(seeker.zeroconf, 90_000)
        assert info.port == 18897
    finally:
        await seeker.async_close()
        await announcement.stop()
