"""The board's own network: its name, its protection, and that it is left in peace."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from board_in_setup import STREET, ask, board_in_setup, submit
from mote import contract, qr
from motesim import BoardSpec, VirtualBoard, World
from motesim.air import OPEN, WPA2

pytestmark = pytest.mark.anyio
FACTORY = {"portal_password": "from the factory"}
SETTINGS: dict[str, Any] = {
    "version": 1,
    "id": "dev",
    # A network that is not on the air: all that these tests want is a board in running mode.
    "wifi": [{"ssid": "away", "password": "a good password"}],
    "mqtt": {"host": "192.168.50.2"},
}
QR_LINES = 17


@asynccontextmanager
async def made(
    config: dict[str, Any] | None = None, factory: dict[str, str] | None = None
) -> AsyncIterator[VirtualBoard]:
    """A board that is still off, as it left the factory, in a street full of networks."""
    async with World() as world:
        for ap in STREET:
            await world.add_access_point(ap)
        board = await world.add_board(BoardSpec("board", config=config))
        if factory:
            board.flash.write("factory.json", json.dumps(factory).encode())
        yield board


async def told(board: VirtualBoard, since: int = 0) -> list[str]:
    """The lines of the log from the one on that says that the portal is open.

    A page is asked for: when it comes, all that belongs to the opening has been said.
    """
    await board.wait_for_log(contract.LOG_SETUP, 60, since=since)
    assert (await ask(board)).status == 200
    lines = board.log[since:]
    first = next(i for i, line in enumerate(lines) if contract.LOG_SETUP in line)
    return lines[first:]


def has_code(lines: list[str]) -> bool:
    return any("█" in line or "▀" in line for line in lines)


async def test_without_a_password_it_is_open_and_the_log_shows_name_address_and_code() -> None:
    async with board_in_setup() as board:
        lines = await told(board)
        network = board.radio.soft_ap
        assert (network.ssid, network.authmode, network.key) == (board.device_id, OPEN, "")
        assert f"{board.device_id} (no password), then http://192.168.4.1/" in lines[0]
        code = [line.split(" setup: ", 1)[1] for line in lines[1:] if " setup: " in line]
        assert code == list(qr.lines(f"WIFI:T:nopass;S:{board.device_id};;"))
        assert len(code) == QR_LINES


async def test_with_the_password_of_the_factory_it_is_protected_and_the_log_keeps_the_secret() -> (
    None
):
    async with made(factory=FACTORY) as board:
        await board.power_on()
        lines = await told(board)
        network = board.radio.soft_ap
        assert (network.ssid, network.authmode) == (board.device_id, WPA2)
        assert network.key == FACTORY["portal_password"]
        assert f"{board.device_id} (with its password), then http://192.168.4.1/" in lines[0]
        assert FACTORY["portal_password"] not in "\n".join(board.log)
        assert not has_code(board.log)


async def test_a_password_in_the_settings_wins_over_that_of_the_factory() -> None:
    async with made({**SETTINGS, "portal_password": "from the owner"}, FACTORY) as board:
        await board.power_on()
        await board.wait_for_log(contract.LOG_JOIN_FAILED, 60)
        await board.press("boot", 5)
        lines = await told(board)
        assert (board.radio.soft_ap.authmode, board.radio.soft_ap.key) == (WPA2, "from the owner")
        assert "with its password" in lines[0] and not has_code(board.log)
        for secret in ("from the owner", "from the factory"):
            assert secret not in "\n".join(board.log)


async def test_erasing_the_configuration_keeps_the_password_of_the_factory() -> None:
    async with made({**SETTINGS, "portal_password": "from the owner"}, FACTORY) as board:
        await board.power_on()
        await board.wait_for_log(contract.LOG_JOIN_FAILED, 60)
        await board.press("boot", 13)
        await told(board)
        assert (board.radio.soft_ap.authmode, board.radio.soft_ap.key) == (WPA2, "from the factory")
        await board.cut_power()
        assert "/config.json" not in board.flash.files()
        assert json.loads(board.flash.read("factory.json")) == FACTORY


async def test_the_scan_comes_before_it_opens_and_then_only_when_somebody_asks_for_one() -> None:
    # A scan takes the radio away from the phones that are on the board's network.
    async with made() as board:
        opened: list[bool] = []
        scan = board.radio.station.scan

        async def counted() -> list[list[object]]:
            opened.append(board.radio.soft_ap.active)
            return await scan()

        board.radio.station.scan = counted  # type: ignore[method-assign]
        await board.power_on()
        await told(board)
        assert opened == [False]
        for path in ("/", "/status", "/progress", "/generate_204"):
            await ask(board, path)
        await ask(board, "/generate_204", host="connectivitycheck.gstatic.com")
        assert b"Mote Home" in (await ask(board)).body
        assert opened == [False]
        assert (await submit(board, "/scan")).status == 303
        assert opened == [False, True]
        assert b"Mote Home" in (await ask(board)).body
        assert opened == [False, True]
