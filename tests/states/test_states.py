"""STATES.md, walked: every row of its table, on the real firmware with short times."""

import asyncio
import contextlib
import json
import re
import sys
from pathlib import Path

import pytest
from mote import contract
from mote.improv import frames

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "tests" / room) for room in ("running", "portal", "mqtt")]

from authority import Authority  # noqa: E402
from board_in_setup import OWN, ask  # noqa: E402
from house_of_one import SERVER, home  # noqa: E402
from walked import HOME, patience, walk  # noqa: E402

pytestmark = pytest.mark.anyio
STATES = (ROOT / "firmware" / "STATES.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in STATES.split("| way |")[1].split("\n## ")[0].splitlines()[2:]
    if line.startswith("|")
]
UNITS = {"s": 1_000, "min": 60_000}


def way(name: str):
    """Marks the test that walks the row `name`."""
    assert any(row[0] == name for row in ROWS), f"STATES.md has no way {name}"
    WALKED.add(name)
    return lambda test: test


WALKED: set[str] = set()


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
    async with walk(tmp_path) as w:
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
    async with walk(tmp_path) as w:
        for _ in range(3):
            await w.sees(contract.LOG_FIRST_READING)
            await asyncio.sleep(4)
            await w.board.reset()
        await w.sees(contract.LOG_FIRST_READING)
        assert not any(contract.LOG_SETUP in line for line in w.board.log)


@way("gone at boot")
@way("back")
async def test_without_wifi_at_boot_the_portal_opens_and_closes_when_it_is_back(tmp_path) -> None:
    async with walk(tmp_path, wifi_up=False) as w:
        await w.sees("network was not found", contract.LOG_SETUP, timeout=30)
        assert b"cannot reach its WiFi" in (await ask(w.board)).body
        w.world.switch(w.wifi, up=True)
        await w.sees(contract.LOG_JOINED, "portal closes", contract.LOG_FIRST_READING)
        assert not w.board.radio.soft_ap.active


@way("password changed")
async def test_a_changed_password_is_a_hint_and_opens_the_portal(tmp_path) -> None:
    async with walk(tmp_path) as w:
        await w.sees(contract.LOG_FIRST_READING)
        w.world.change_password(w.wifi, "another password")
        await w.sees("did not let the board in", timeout=40)
        await w.sees("password was not accepted", contract.LOG_SETUP, timeout=40)
        w.world.change_password(w.wifi, HOME[1])
        await w.sees(contract.LOG_JOINED, contract.LOG_CONNECTED, timeout=30)
        await w.board.cut_power()
        assert w.kept()


@way("DHCP silent")
async def test_a_silent_dhcp_server_opens_the_portal(tmp_path) -> None:
    async with walk(tmp_path, wifi_up=False) as w:
        w.wifi.dhcp = False
        w.world.switch(w.wifi, up=True)
        await w.sees("gave no address", contract.LOG_SETUP, timeout=60)
        w.wifi.dhcp = True
        await w.sees(contract.LOG_CONNECTED, timeout=60)


@way("saved beside")
async def test_what_is_saved_on_the_portal_beside_running_is_used(tmp_path) -> None:
    async with walk(tmp_path, wifi_up=False) as w:
        await w.sees(contract.LOG_SETUP, timeout=30)
        body = b"id=other&ssid=home&password=&host=mqtt.local&port=1883&interval=1"
        trial = await ask(w.board, "/save", body, Origin=f"http://{OWN}")
        assert trial.status == 303
        await w.sees("trial: the WiFi network was not found")
        await ask(w.board, "/save-anyway", b"", Origin=f"http://{OWN}")
        saved = asyncio.get_running_loop().time()
        assert b"is on its way" in (await ask(w.board, "/progress")).body
        await w.sees(contract.LOG_SAVED, contract.LOG_RESTART)
        assert 1.3 < asyncio.get_running_loop().time() - saved < 4
        w.world.switch(w.wifi, up=True)
        await w.sees(contract.LOG_FIRST_READING)


@way("no room")
async def test_without_room_for_phones_beside_the_portal_is_opened_alone(tmp_path) -> None:
    async with walk(tmp_path, wifi_up=False) as w:
        await w.board.cut_power()
        # As many sensors would leave it: the portal opens, its page finds no room.
        w.board.core.heap -= 20_000
        await w.board.power_on()
        await w.sees(contract.LOG_SETUP, timeout=60)
        while not any("no memory for phones" in line for line in w.board.log):
            # A page that has begun breaks off; the last request meets a board that restarts.
            with contextlib.suppress(OSError):
                assert (await ask(w.board)).status == 503
        await w.sees(contract.LOG_SETUP, timeout=60)
        assert (await ask(w.board)).status == 200


@way("battery")
async def test_a_board_on_a_battery_sleeps_between_its_searches(tmp_path) -> None:
    async with walk(tmp_path, {"deep_sleep": True}, wifi_up=False) as w:
        await w.sees(contract.LOG_SETUP, contract.LOG_SLEEP, timeout=30)
        await w.sees("after deep-sleep", contract.LOG_SETUP, timeout=30)
        w.world.switch(w.wifi, up=True)
        await w.sees(contract.LOG_FIRST_READING, timeout=30)


@way("button")
@way("unused")
async def test_the_button_opens_the_portal_which_makes_room_when_nobody_comes(tmp_path) -> None:
    async with walk(tmp_path) as w:
        await w.sees(contract.LOG_FIRST_READING)
        await w.board.press("boot", 3.5)
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
        await w.board.press("boot", 10.5)
        await w.sees("is erased", contract.LOG_SETUP)
        await w.board.cut_power()
        assert not w.kept()


@way("broker gone")
async def test_a_broker_that_is_gone_opens_no_portal_and_is_found_again(tmp_path) -> None:
    from house_of_one import home

    async with home(tmp_path) as place:
        board = await place.board()
        await board.wait_for_log(contract.LOG_FIRST_READING, 15)
        await place.broker.stop()
        await board.wait_for_log(contract.LOG_DISCONNECTED, 15)
        await asyncio.sleep(5)
        since = len(board.log)
        await place.broker.start()
        await board.wait_for_log(contract.LOG_CONNECTED, 15, since=since)
        assert sum(contract.LOG_JOINED in line for line in board.log) == 1
        assert not any(contract.LOG_SETUP in line for line in board.log)


@way("crash")
@way("safe mode")
@way("once more")
async def test_the_fifth_crash_leads_to_safe_mode_with_the_traceback(tmp_path) -> None:
    async with walk(tmp_path, crash=True) as w:
        for number in range(1, 6):
            await w.sees(f"crash {number} of 5", contract.LOG_RESTART)
        await w.sees("safe mode", contract.LOG_SETUP)
        page = (await ask(w.board)).body.decode()
        assert "RuntimeError: a bad release" in page and "mote/running.py" in page
        assert (await ask(w.board, "/start", b"", Origin=f"http://{OWN}")).status == 303
        await w.sees("once more", "crash 5 of 5", "safe mode", contract.LOG_SETUP)
        await w.sees("nobody came to safe mode", "crash 5 of 5", "safe mode", timeout=30)


@way("probation")
async def test_a_configuration_on_probation_makes_room_for_the_old_one(tmp_path) -> None:
    async with walk(tmp_path) as w:
        await w.sees(contract.LOG_FIRST_READING)
        await w.board.cut_power()
        # What a command leaves behind (`mote.probation.begin`), with a server that is not there.
        old = w.board.flash.read("config.json")
        w.board.flash.write("config.old", old)
        w.board.flash.write("config.note", b'{"nonce": "n", "sum": 0}')
        w.board.flash.write("config.json", old.replace(b'"mqtt.local"', b'"no.such.host"'))
        await w.board.power_on()
        await w.sees(contract.LOG_PROBATION_FAILED, contract.LOG_RESTART)
        await w.sees(contract.LOG_FIRST_READING, timeout=40)


@way("probation")
async def test_a_configuration_that_makes_the_board_crash_makes_room_as_well(tmp_path) -> None:
    async with walk(tmp_path, crash=True) as w:
        await w.board.cut_power()
        old = w.board.flash.read("config.json")
        w.board.flash.write("config.old", old)
        w.board.flash.write("config.json", old.replace(b'"dev"', b'"new"'))
        await w.board.power_on()
        await w.sees(
            "crash 5 of 5", contract.LOG_PROBATION_FAILED, contract.LOG_RESTART, timeout=60
        )
        # It is the release here: with the old one, too, the next crash leads to safe mode.
        await w.sees("crash 5 of 5", "safe mode", contract.LOG_SETUP, timeout=30)
        await w.board.cut_power()
        assert w.board.flash.read("config.json") == old


@way("update")
async def test_a_version_that_does_not_get_the_board_online_makes_room_for_the_old_one(
    tmp_path,
) -> None:
    async with walk(tmp_path, broker=False) as w:
        await w.sees(contract.LOG_JOINED)
        await w.board.cut_power()
        # What an update leaves behind (`mote.update.application`): the same version once more.
        files = [name for name in w.board.flash.files() if name.startswith("/app_a/")]
        for name, data in [(name, w.board.flash.read(name)) for name in files]:
            w.board.flash.write(name.replace("/app_a/", "/app_b/"), data)
        note = b'{"nonce": "n", "version": "9.9.9", "slot": "b"}'
        w.board.flash.write("update.json", note)
        w.board.flash.write("slots.json", b'{"slot": "b", "starts": 3}')
        await w.board.power_on()
        trial = contract.LOG_UPDATE_TRIAL + "9.9.9"
        await w.sees(trial, contract.LOG_ROLLED_BACK, contract.LOG_RESTART, contract.LOG_BOOT)
        await w.sees(contract.LOG_JOINED)
        await w.board.cut_power()
        assert json.loads(w.board.flash.read("slots.json"))["slot"] == "a"


@way("TLS short")
async def test_what_tls_has_lost_a_restart_gives_back(tmp_path) -> None:
    certificate = Authority("the home's own CA").issue(SERVER, tmp_path)
    async with home(tmp_path, f"allow_anonymous true\n{certificate}") as place:
        board = await place.board(mqtt={"host": SERVER, "tls": True})
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        enough, board.core.beside = board.core.beside, (20_000, 18_000)
        await place.broker.stop()
        await place.broker.start()
        await board.wait_for_log("too little memory left for a secure connection (20000", 60)
        await board.wait_for_log(contract.LOG_RESTART, 60)
        board.core.beside = enough
        await board.wait_for_log(contract.LOG_CONNECTED, 60, since=board.serial.count)


async def test_a_board_that_never_had_the_memory_for_tls_goes_on_measuring(tmp_path) -> None:
    certificate = Authority("the home's own CA").issue(SERVER, tmp_path)
    async with home(tmp_path, f"allow_anonymous true\n{certificate}") as place:
        board = await place.board(mqtt={"host": SERVER, "tls": True})
        board.core.beside = (20_000, 18_000)
        for _ in range(5):
            await board.wait_for_log("too little memory", 60, since=board.serial.count)
        assert not [line for line in board.log if contract.LOG_RESTART in line]


def test_every_way_is_walked() -> None:
    assert {row[0] for row in ROWS} == WALKED


def test_the_documented_times_are_those_of_the_firmware() -> None:
    times = patience()
    named = set(re.findall(r"`([A-Z_]+)`", STATES))
    assert named == set(times), named ^ set(times)
    for row in ROWS:
        told = {
            int(number) * UNITS[unit]
            for number, unit in re.findall(r"(\d+) (s|min)\b", " ".join(row[2:5]))
        }
        for name in re.findall(r"`([A-Z_]+_MS)`", row[5]):
            assert times[name] in told, (row[0], name)
