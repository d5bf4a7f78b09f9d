"""A new board gets its WiFi from the SDK of Improv, and its readings to a server."""

import asyncio
import re

import pytest
from board_in_setup import Answer, ask, hidden
from house_of_one import HOME, SERVER, Home, home
from mote import __version__, contract
from motesim import AccessPoint, BoardSpec, VirtualBoard
from mqtt_ear import ear
from sdk import PROVISIONED, PROVISIONING, READY, Client, Refused, client

pytestmark = [pytest.mark.anyio, pytest.mark.node]
NEIGHBOUR = AccessPoint("Café Mokka ☕", rssi=-70)


async def new_board(house: Home, name: str = "new") -> VirtualBoard:
    board = await house.world.add_board(BoardSpec(name, "esp32c3"))
    await board.power_on()
    return board


def second_server(house: Home) -> None:
    """Of two servers in the network a board cannot know which is its own."""
    house.world.add_host("attic.local", "192.168.50.3", {1883: ("127.0.0.1", house.broker.port)})


def is_page_of(board: VirtualBoard, url: object) -> bool:
    """Whether `url` is in the network that the board joined, with a word that nobody can guess."""
    assert board.radio.station.address
    address = re.escape(board.radio.station.address[0])
    return re.fullmatch(rf"http://{address}/[0-9a-f]{{16}}/", str(url)) is not None


async def browse(board: VirtualBoard, url: str, body: bytes | None = None) -> Answer:
    """What a browser in the joined network gets."""
    _, _, host, path = url.split("/", 3)
    async with asyncio.timeout(60):
        while not (at := board.network.station_port):  # type: ignore[attr-defined]
            await asyncio.sleep(0.05)
    return await ask(board, f"/{path}", body, host, at=at)


async def publishes(house: Home, device: str) -> None:
    async with ear([], "-p", str(house.broker.port), "-t", f"sensors/{device}/#") as heard:
        await heard.wait_for(lambda topic, payload: True, 60)


async def provision(sdk: Client, password: str) -> None:
    await sdk.ask("provision", HOME.ssid, password, 150_000)


async def test_a_board_that_still_starts_is_found_and_says_who_it_is(tmp_path) -> None:
    async with home(tmp_path) as house:
        board = await new_board(house)
        async with client(board) as sdk:
            # Every request holds the byte of Ctrl-C: none may stop the board on its way.
            met = await sdk.meet()
            assert met == {
                "firmware": contract.PRODUCT, "version": __version__, "chipFamily": "ESP32-C3",
                "name": board.device_id, "osName": "MicroPython", "osVersion": met["osVersion"],
            }  # fmt: skip
            assert sdk.events and sdk.events[-1] == {"state": READY}
            assert not any("stopped" in line for line in board.log)


async def test_networks_are_listed_by_their_names_again_and_again(tmp_path) -> None:
    async with home(tmp_path) as house:
        await house.world.add_access_point(NEIGHBOUR)
        board = await new_board(house)
        async with client(board) as sdk:
            await sdk.meet()
            listed = [
                {"name": NEIGHBOUR.ssid, "rssi": -70, "secured": False},
                {"name": HOME.ssid, "rssi": HOME.rssi, "secured": True},
            ]
            assert await sdk.ask("scan") == listed
            house.world.switch(NEIGHBOUR, up=False)
            assert await sdk.ask("scan") == listed[1:]
            await house.world.add_access_point(AccessPoint("Attic", "a good password"))
            assert [one["name"] for one in await sdk.ask("scan")] == ["Attic", HOME.ssid]


async def test_where_one_server_is_found_the_wifi_is_all_that_is_asked(tmp_path) -> None:
    async with home(tmp_path) as house:
        board = await new_board(house)
        async with client(board) as sdk:
            await sdk.meet()
            await provision(sdk, HOME.password)
            assert sdk.events[-1] == {"state": PROVISIONED}
            # There is no page to visit: the board goes on to its readings.
            assert await sdk.ask("url") is None
        await publishes(house, board.device_id)


async def test_a_wrong_password_is_told_and_the_right_one_leads_to_the_boards_page(
    tmp_path,
) -> None:
    async with home(tmp_path) as house:
        second_server(house)
        board = await new_board(house)
        async with client(board) as sdk:
            await sdk.meet()
            before = len(sdk.events)
            with pytest.raises(Refused, match="UNABLE_TO_CONNECT"):
                await provision(sdk, "a wrong password")
            told = [{"state": PROVISIONING}, {"state": READY}, {"error": 3}]
            assert sdk.events[before:] == told
            before = len(sdk.events)
            await provision(sdk, HOME.password)
            told = [{"error": 0}, {"state": PROVISIONING}, {"state": PROVISIONED}]
            assert sdk.events[before:] == told
            url = await sdk.ask("url")
            assert is_page_of(board, url)
            # Nothing is saved as long as something is missing, which the page at that address asks.
            assert board.flash.files().get("/config.json") is None
            page = (await browse(board, url)).body
            assert b"Your network has more than one MQTT server" in page
            form = f"id=shelf&ssid={HOME.ssid}&password=&host={SERVER}&port=1883"
            saved = await browse(
                board, url + "save", b"token=" + hidden(page) + b"&" + form.encode()
            )
            path = url[url.index("/", 7) :]
            assert (saved.status, saved.headers["location"]) == (303, path + "progress")
            assert b'id="live"' in (await browse(board, url + "progress")).body
            await board.wait_for_log(contract.LOG_SAVED, 60)
        await publishes(house, "shelf")


async def test_a_board_that_is_asked_again_still_knows_its_page(tmp_path) -> None:
    async with home(tmp_path) as house:
        second_server(house)
        board = await new_board(house)
        async with client(board) as sdk:
            await sdk.meet()
            await provision(sdk, HOME.password)
        async with client(board) as sdk:
            await sdk.meet()
            assert sdk.events[-1] == {"state": PROVISIONED}
            assert is_page_of(board, await sdk.ask("url"))


async def test_the_name_that_the_client_gives_is_the_boards(tmp_path) -> None:
    async with home(tmp_path) as house:
        board = await new_board(house)
        async with client(board) as sdk:
            await sdk.meet()
            assert await sdk.ask("getDeviceName") == board.device_id
            with pytest.raises(Refused, match="BAD_HOSTNAME"):
                await sdk.ask("setDeviceName", "no name / for a topic")
            assert await sdk.ask("setDeviceName", "shelf") == "shelf"
            for optional in ("getHostname", "requestNetworkState"):
                with pytest.raises(Refused, match="UNKNOWN_RPC_COMMAND"):
                    await sdk.ask(optional)
            await provision(sdk, HOME.password)
        await publishes(house, "shelf")


async def test_a_configured_board_in_its_portal_keeps_its_server_and_changes_its_wifi(
    tmp_path,
) -> None:
    async with home(tmp_path) as house:
        board = await house.board()
        await publishes(house, "dev")
        await board.press("boot", 5)
        await board.wait_for_log(contract.LOG_SETUP, 60)
        await house.world.add_access_point(AccessPoint("new home", "another password"))
        async with client(board) as sdk:
            await sdk.meet()
            assert sdk.events[-1] == {"state": READY}
            since = board.serial.count
            await sdk.ask("provision", "new home", "another password", 150_000)
            assert sdk.events[-1] == {"state": PROVISIONED}
            assert await sdk.ask("url") is None
        await board.wait_for_log(contract.LOG_JOINED + "new home", 60, since)
        await board.wait_for_log(contract.LOG_FIRST_READING, 60, since)
