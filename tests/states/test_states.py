"""STATES.md, walked: set-up, the portal beside running, and the ways back online."""

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest
from mote import contract
from mote.improv import frames

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "tests" / room) for room in ("running", "portal", "mqtt")]

from board_in_setup import ask, hidden, submit  # noqa: E402
from house_of_one import home  # noqa: E402
from walked import HOME, SHORT, walk  # noqa: E402
from ways import way  # noqa: E402

pytestmark = pytest.mark.anyio


@way("new")
async def test_a_board_without_settings_opens_the_portal(tmp_path) -> None:
    async with walk(tmp_path, configured=False) as w:
        await w.sees(contract.LOG_SETUP)


@way("damaged")
async def test_damaged_settings_open_the_portal(tmp_path) -> None:
    async with walk(tmp_path) as w:
        await w.board.cut_power()
        w.board.flash.write("config.json", b'{"version": 1, "id')
        await w.board.power_on()
        await w.sees("is damaged", contract.LOG_SETUP)
        assert b"settings were damaged" in (await ask(w.board)).body


@way("resets")
async def test_three_quick_resets_open_the_portal_and_keep_the_settings(tmp_path) -> None:
    # A busy machine takes its time for a start as well.
    async with walk(tmp_path, QUICK_RESET_MS=60_000) as w:
        for _ in range(2):
            await w.sees(contract.LOG_BOOT, "sensors: rssi")
            await w.board.reset()
        await w.sees(contract.LOG_SETUP)
        await w.board.cut_power()
        assert w.kept()
        # The count begins anew: the next start is an ordinary one.
        await w.board.power_on()
        await w.sees(contract.LOG_FIRST_READING)


async def test_resets_with_time_in_between_open_nothing(tmp_path) -> None:
    async with walk(tmp_path, WIFI_LOST_MS=100_000) as w:
        for _ in range(3):
            await w.sees(contract.LOG_FIRST_READING)
            async with asyncio.timeout(240):
                while w.noted("quick"):
                    await asyncio.sleep(0.05)
            await w.board.reset()
        await w.sees(contract.LOG_FIRST_READING)
        assert not any(contract.LOG_SETUP in line for line in w.board.log)


@way("gone at boot")
@way("back")
async def test_without_wifi_at_boot_the_portal_opens_and_closes_when_it_is_back(tmp_path) -> None:
    async with walk(tmp_path, wifi_up=False) as w:
        await w.sees("network was not found", contract.LOG_SETUP)
        assert b"cannot reach its WiFi" in (await ask(w.board)).body
        w.world.switch(w.wifi, up=True)
        await w.sees(contract.LOG_JOINED, "portal closes", contract.LOG_FIRST_READING)
        assert not w.board.radio.soft_ap.active


@way("password changed")
async def test_a_changed_password_is_a_hint_and_opens_the_portal(tmp_path) -> None:
    async with walk(tmp_path) as w:
        await w.sees(contract.LOG_FIRST_READING)
        w.world.change_password(w.wifi, "another password")
        await w.sees("did not let the board in")
        await w.sees("password was not accepted", contract.LOG_SETUP)
        w.world.change_password(w.wifi, HOME[1])
        await w.sees(contract.LOG_JOINED, contract.LOG_CONNECTED)
        await w.board.cut_power()
        assert w.kept()


@way("DHCP silent")
async def test_a_silent_dhcp_server_opens_the_portal(tmp_path) -> None:
    async with walk(tmp_path, wifi_up=False) as w:
        w.wifi.dhcp = False
        w.world.switch(w.wifi, up=True)
        await w.sees("gave no address", contract.LOG_SETUP)
        w.wifi.dhcp = True
        await w.sees(contract.LOG_CONNECTED)


def stay_silent(board) -> None:
    """A phone is on the setup network, and asks for nothing."""
    board.network.stations = lambda: ["020000000001"]


async def use(board, *, every_s: float = 0.5, begin_trials: bool = False) -> None:
    """Ask for pages without end, as somebody who wants to keep a board from its WiFi."""
    body = b"id=dev&ssid=nowhere&password=a+password&host=mqtt.local&port=1883&interval=1"
    while True:
        with contextlib.suppress(OSError, TimeoutError):
            page = await ask(board)
            if begin_trials and (token := hidden(page.body)):
                await ask(board, "/save", b"token=" + token + b"&" + body)
        await asyncio.sleep(every_s)


@contextlib.asynccontextmanager
async def used(board, **how):
    task = asyncio.create_task(use(board, **how))
    try:
        yield
    finally:
        task.cancel()


@way("present")
async def test_a_phone_that_asks_for_nothing_keeps_no_board_from_its_wifi(tmp_path) -> None:
    async with walk(tmp_path, wifi_up=False) as w:
        stay_silent(w.board)
        await w.sees(contract.LOG_SETUP, timeout=60)
        w.world.switch(w.wifi, up=True)
        await w.sees(contract.LOG_JOINED, "portal closes", contract.LOG_CONNECTED)


async def test_a_phone_that_asks_only_whether_it_is_the_internet_does_not_either(tmp_path) -> None:
    async def probe(board) -> None:
        while True:
            with contextlib.suppress(OSError):
                await ask(board, "/generate_204", host="connectivitycheck.gstatic.com")
            await asyncio.sleep(0.5)

    async with walk(tmp_path, wifi_up=False, RETRY_IN_USE_MS=600_000) as w:
        stay_silent(w.board)
        await w.sees(contract.LOG_SETUP, timeout=60)
        task = asyncio.create_task(probe(w.board))
        w.world.switch(w.wifi, up=True)
        await w.sees(contract.LOG_JOINED, "portal closes", contract.LOG_CONNECTED)
        task.cancel()


@way("in use")
@pytest.mark.parametrize("begin_trials", [False, True], ids=["pages", "trials"])
async def test_who_uses_the_portal_without_end_does_not_either(tmp_path, begin_trials) -> None:
    async with walk(tmp_path, wifi_up=False) as w:
        stay_silent(w.board)
        await w.sees(contract.LOG_SETUP, timeout=60)
        async with used(w.board, begin_trials=begin_trials):
            w.world.switch(w.wifi, up=True)
            # Beside what measures, or alone where that leaves the pages no memory.
            await w.sees(contract.LOG_JOINED + "home", contract.LOG_CONNECTED, timeout=180)
            async with asyncio.timeout(180):
                while w.board.radio.soft_ap.active:
                    await asyncio.sleep(0.1)
            assert w.board.radio.station.address


@way("too long")
async def test_set_up_of_a_board_with_settings_ends_also_while_it_is_used(tmp_path) -> None:
    async with walk(tmp_path, PORTAL_LONGEST_MS=6_000) as w:
        await w.sees(contract.LOG_FIRST_READING)
        await w.board.press("boot", 5)
        await w.sees(contract.LOG_SETUP)
        stay_silent(w.board)
        async with used(w.board, begin_trials=True):
            await w.sees("settings are tried again", contract.LOG_FIRST_READING, timeout=180)


async def test_a_phone_that_is_only_there_does_not_hold_set_up_open(tmp_path) -> None:
    async with walk(tmp_path) as w:
        await w.sees(contract.LOG_FIRST_READING)
        stay_silent(w.board)
        await w.board.press("boot", 5)
        await w.sees(contract.LOG_SETUP, "nobody came", contract.LOG_FIRST_READING)


@way("saved beside")
async def test_what_is_saved_on_the_portal_beside_running_is_used(tmp_path) -> None:
    async with walk(tmp_path, wifi_up=False) as w:
        await w.sees(contract.LOG_SETUP)
        # It opened by itself: it takes another WiFi, here the old one with another password.
        w.world.change_password(w.wifi, "another password")
        body = b"id=dev&ssid=home&password=another+password&host=mqtt.local&port=1883&interval=1"
        trial = await submit(w.board, "/save", body)
        assert trial.status == 303
        await w.sees("trial: the WiFi network was not found")
        await submit(w.board, "/save-anyway")
        told = await ask(w.board, "/progress")
        assert b"is on its way" in told.body
        # Whoever was told waits for the short time, by the clock of the board.
        saved_ms = w.at_ms(await w.board.wait_for_log(contract.LOG_SAVED, 90))
        restart_ms = w.at_ms(await w.board.wait_for_log(contract.LOG_RESTART, 90))
        assert SHORT["SAVED_TOLD_MS"] < restart_ms - saved_ms < SHORT["SAVED_UNTOLD_MS"]
        w.world.switch(w.wifi, up=True)
        await w.sees(contract.LOG_FIRST_READING)


@way("no room")
async def test_without_room_for_phones_beside_the_portal_is_opened_alone(tmp_path) -> None:
    async with walk(tmp_path, wifi_up=False) as w:
        await w.board.cut_power()
        # As many sensors would leave it: the portal opens, its page finds no room.
        w.board.core.heap -= 17_000
        await w.board.power_on()
        await w.sees(contract.LOG_SETUP)
        while not any("no memory for phones" in line for line in w.board.log):
            # A page that has begun breaks off; the last request meets a board that restarts.
            with contextlib.suppress(OSError):
                assert (await ask(w.board)).status == 503
        await w.sees("no memory for phones", contract.LOG_SETUP)
        page = await ask(w.board)
        # Nobody has pressed a button: it is still a portal that opened by itself.
        assert page.status == 200 and b"Only another WiFi is accepted here" in page.body


@way("battery")
async def test_a_board_on_a_battery_sleeps_between_its_searches(tmp_path) -> None:
    async with walk(tmp_path, {"deep_sleep": True}, wifi_up=False) as w:
        await w.sees(contract.LOG_SETUP, contract.LOG_SLEEP)
        await w.sees("after deep-sleep", contract.LOG_SETUP)
        w.world.switch(w.wifi, up=True)
        await w.sees(contract.LOG_FIRST_READING)


@way("button")
@way("unused")
async def test_the_button_opens_the_portal_which_makes_room_when_nobody_comes(tmp_path) -> None:
    async with walk(tmp_path) as w:
        await w.sees(contract.LOG_FIRST_READING)
        await w.board.press("boot", 5)
        await w.sees(contract.LOG_SETUP, "nobody came", contract.LOG_FIRST_READING)


@way("installer")
@way("installer gone")
async def test_an_installer_that_asks_for_networks_gets_them_in_set_up(tmp_path) -> None:
    async with walk(tmp_path) as w:
        await w.sees(contract.LOG_FIRST_READING)
        w.board.serial.type(frames.frame(frames.COMMAND, frames.NETWORKS))
        # The answer comes unasked, from the start after the restart.
        await w.sees(contract.LOG_RESTART, contract.LOG_SETUP, HOME[0] + "\x03-55\x03YES")
        await w.sees("nobody came", contract.LOG_FIRST_READING)
        await w.board.cut_power()
        assert w.kept()


@way("erase")
async def test_holding_the_button_erases_also_in_the_portal(tmp_path) -> None:
    async with walk(tmp_path) as w:
        await w.sees(contract.LOG_FIRST_READING)
        await w.board.press("boot", 13)
        await w.sees("is erased", contract.LOG_SETUP)
        await w.board.cut_power()
        assert not w.kept()


@way("broker gone")
async def test_a_broker_that_is_gone_opens_no_portal_and_is_found_again(tmp_path) -> None:

    async with home(tmp_path) as place:
        board = await place.board()
        await board.wait_for_log(contract.LOG_FIRST_READING, 240)
        await place.broker.stop()
        await board.wait_for_log(contract.LOG_DISCONNECTED, 240)
        await asyncio.sleep(5)
        since = len(board.log)
        await place.broker.start()
        await board.wait_for_log(contract.LOG_CONNECTED, 240, since=since)
        assert sum(contract.LOG_JOINED in line for line in board.log) == 1
        assert not any(contract.LOG_SETUP in line for line in board.log)


@way("stopped")
async def test_a_stray_ctrl_c_stops_the_board_until_nobody_has_typed_for_a_while(tmp_path) -> None:
    async with walk(tmp_path) as w:
        await w.sees(contract.LOG_FIRST_READING)
        w.board.serial.type(b"\x03")
        await w.sees(contract.LOG_STOPPED + "3 s", contract.LOG_RESTART, contract.LOG_FIRST_READING)
        assert w.noted("crashes") in (None, 0)


async def test_a_stray_ctrl_c_in_set_up_leads_back_to_the_portal(tmp_path) -> None:
    async with walk(tmp_path, configured=False) as w:
        await w.sees(contract.LOG_SETUP)
        w.board.serial.type(b"\x03")
        await w.sees(contract.LOG_STOPPED, contract.LOG_RESTART, contract.LOG_SETUP)


async def test_whoever_types_after_ctrl_c_keeps_the_repl(tmp_path) -> None:
    async with walk(tmp_path, REPL_UNUSED_MS=10_000) as w:
        await w.sees(contract.LOG_FIRST_READING)
        w.board.serial.type(b"\x03")
        await w.sees(contract.LOG_STOPPED)
        # A script runs, then nobody types, both for longer than that.
        w.board.serial.type(b"import time; time.sleep(12); print('awake ' + 'again')\r")
        await w.sees("awake again")
        w.board.serial.type(b"print(time.sleep(12), 'still ' + 'here')\r")
        await w.sees("still here")
        assert not any(contract.LOG_RESTART in line for line in w.board.log)
