"""The portal of a board that is in a WiFi answers its own network, and nobody in that WiFi.

Real addresses in network namespaces; curl and dnspython ask.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mote import contract
from motesim import AccessPoint, BoardSpec, World
from motesim.network import namespaces
from motesim.network.namespaces import NamespaceNetwork, Phone
from motesim.network.netns import run

pytestmark = pytest.mark.netns

PORTAL = contract.PORTAL_ADDRESS
KEY = "a setup password"
# curl: could not connect, timed out, an empty answer, a reset.
NO_ANSWER = {7, 28, 52, 56}
SETTINGS: dict[str, Any] = {
    "version": 1,
    "id": "dev",
    "wifi": [{"ssid": "home", "password": "a good password"}],
    "mqtt": {"host": "mqtt.home"},
    "portal_password": KEY,
}
QUESTION = """
import sys, dns.message, dns.query
question = dns.message.make_query("captive.apple.com", "A")
try:
    answer = dns.query.udp(question, sys.argv[1], timeout=2)
    print(answer.answer[0][0])
except Exception as error:
    print(type(error).__name__)
"""


class Asker:
    """Somebody with an address: in the WiFi, or on the board's own network."""

    def __init__(self, prefix: list[str]) -> None:
        self._prefix = prefix

    async def page(self, address: str, host: str = "") -> tuple[int, str]:
        """curl's exit code and what it got."""
        process = await asyncio.create_subprocess_exec(
            *self._prefix, "curl", "--silent", "--noproxy", "*", "--max-time", "20",
            "--header", f"Host: {host or address}", f"http://{address}/",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode()

    async def name(self, address: str) -> str:
        """What the name server at `address` says captive.apple.com is, or the error."""
        return (await run(*self._prefix, sys.executable, "-c", QUESTION, address)).strip()


async def sees_the_portal(asker: Asker) -> None:
    async with asyncio.timeout(90):
        while True:
            code, page = await asker.page(PORTAL)
            if code == 0 and 'name="ssid"' in page:
                break
            # Beside a board that is online there is a moment without memory now and then.
            await asyncio.sleep(0.5)
        while await asker.name(PORTAL) != PORTAL:
            await asyncio.sleep(0.5)


async def sees_nothing(asker: Asker, station: str) -> None:
    for address in (station, PORTAL):
        for host in (address, PORTAL, station, "captive.apple.com"):
            code, page = await asker.page(address, host)
            assert code in NO_ANSWER and not page, (address, host, page[:200])
        assert await asker.name(address) != PORTAL


async def in_safe_mode(walk: Callable[[Any, Phone, Asker, str], Awaitable[None]]) -> None:
    network = NamespaceNetwork()
    async with World(network) as world:
        ap = await world.add_access_point(AccessPoint("home", "a good password"))
        neighbour = await network.add_host(ap, "neighbour")
        board = await world.add_board(BoardSpec("dev", config=SETTINGS))
        board.core.nvs_set("mote", "crashes", 5)
        await board.power_on()
        await board.wait_for_log(contract.LOG_SETUP, 60)
        await board.wait_for_log(contract.LOG_JOINED, 60)
        assert board.radio.station.address
        station = board.radio.station.address[0]
        # A host takes packets for any of its addresses from any side: so somebody may try.
        await neighbour.ip("route", "add", f"{PORTAL}/32", "via", station)
        phone = await network.phone(board.network)
        await phone.join(KEY)
        await walk(board, phone, Asker(neighbour.prefix), station)


def test_the_lan_gets_no_answer_and_a_phone_on_the_setup_network_does() -> None:
    async def walk(board: Any, phone: Phone, neighbour: Asker, station: str) -> None:
        # That the neighbour reaches the board at all is seen by its refusal, and not by silence.
        assert (await neighbour.page(station))[0] == 7
        await sees_nothing(neighbour, station)
        await sees_the_portal(Asker(phone.prefix))

    asyncio.run(in_safe_mode(walk))


def test_a_phone_is_answered_again_after_the_access_point_moved_or_came_back(monkeypatch) -> None:
    monkeypatch.setattr(namespaces, "REJOIN_S", 0.5)

    async def walk(board: Any, phone: Phone, neighbour: Asker, station: str) -> None:
        asker = Asker(phone.prefix)
        await sees_the_portal(asker)
        # The one radio moves to the channel of the WiFi: phones fall off and join again.
        await board.network.phones_dropped()
        async with asyncio.timeout(60):
            while not board.network.stations():
                await asyncio.sleep(0.1)
        await sees_the_portal(asker)
        await board.network.access_point_down()
        await board.network.access_point_up(board.device_id)
        await phone.join(KEY)
        await sees_the_portal(asker)
        await sees_nothing(neighbour, station)

    asyncio.run(in_safe_mode(walk))
