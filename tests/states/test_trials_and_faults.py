"""STATES.md, walked: crashes, new settings and versions on trial, and memory that ran out."""

import json
import sys
from pathlib import Path

import pytest
from mote import contract

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "tests" / room) for room in ("running", "portal", "mqtt")]

from authority import Authority  # noqa: E402
from board_in_setup import ask, submit  # noqa: E402
from house_of_one import SERVER, home  # noqa: E402
from walked import walk  # noqa: E402
from ways import way  # noqa: E402

pytestmark = pytest.mark.anyio


@way("crash")
@way("safe mode")
@way("once more")
async def test_the_fifth_crash_leads_to_safe_mode_with_the_traceback(tmp_path) -> None:
    # Somebody comes to it in time, on a busy machine too.
    async with walk(tmp_path, crash=True, SAFE_MODE_MS=12_000) as w:
        for number in range(1, 6):
            await w.sees(f"crash {number} of 5", contract.LOG_RESTART)
        await w.sees("safe mode", contract.LOG_SETUP)
        page = (await ask(w.board)).body.decode()
        assert "RuntimeError: a bad release" in page and "mote/running.py" in page
        assert (await submit(w.board, "/start")).status == 303
        await w.sees("once more", "crash 5 of 5", "safe mode", contract.LOG_SETUP)
        await w.sees("nobody came to safe mode", "crash 5 of 5", "safe mode")


async def test_a_stray_ctrl_c_in_safe_mode_leads_back_to_safe_mode(tmp_path) -> None:
    async with walk(tmp_path, crash=True, crashes=5, SAFE_MODE_MS=600_000) as w:
        await w.sees("safe mode", contract.LOG_SETUP)
        w.board.serial.type(b"\x03")
        await w.sees(contract.LOG_STOPPED, contract.LOG_RESTART, "safe mode", contract.LOG_SETUP)
        # It was no crash.
        assert w.noted("crashes") == 5


@way("mended")
async def test_a_board_in_safe_mode_is_told_over_mqtt_to_start_again(tmp_path) -> None:
    async with walk(tmp_path, crash=True, crashes=4, SAFE_MODE_MS=600_000) as w:
        await w.sees("crash 5 of 5", "safe mode", contract.LOG_SETUP, contract.LOG_CONNECTED)
        await w.obeys("asked for over MQTT", cmd="restart", nonce="again")
        await w.sees("crash 5 of 5", "safe mode")
        # A new configuration may be what helps; where it is not, the old one is back.
        old = {**w.settings, "interval": 9}
        await w.obeys("a new configuration is tried", cmd="config", nonce="other", config=old)
        await w.sees("crash 5 of 5", contract.LOG_PROBATION_FAILED)
        await w.sees("crash 5 of 5", "safe mode")


@way("portal alone")
async def test_where_safe_mode_crashes_the_portal_is_left_with_the_first_fault(tmp_path) -> None:
    async with walk(tmp_path, crash=True, crashes=4, crash_in_safe_mode=True) as w:
        await w.sees("crash 5 of 5", "safe mode", "a crash in safe mode", contract.LOG_RESTART)
        await w.sees("safe mode", contract.LOG_SETUP)
        page = (await ask(w.board)).body.decode()
        assert "RuntimeError: a bad release" in page and "no rescue" not in page
        assert (await submit(w.board, "/start")).status == 303
        await w.sees("once more", "crash 5 of 5", "a crash in safe mode")
        assert not any(contract.LOG_CONNECTED in line for line in w.board.log)


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
        await w.sees(contract.LOG_FIRST_READING)


@way("probation")
async def test_a_configuration_that_makes_the_board_crash_makes_room_as_well(tmp_path) -> None:
    async with walk(tmp_path, crash=True) as w:
        await w.board.cut_power()
        old = w.board.flash.read("config.json")
        w.board.flash.write("config.old", old)
        w.board.flash.write("config.json", old.replace(b'"dev"', b'"new"'))
        await w.board.power_on()
        await w.sees("crash 5 of 5", contract.LOG_PROBATION_FAILED, contract.LOG_RESTART)
        # It is the release here: with the old one, too, the next crash leads to safe mode.
        await w.sees("crash 5 of 5", "safe mode", contract.LOG_SETUP)
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
        board = await place.board(mqtt={"host": SERVER, "tls": True, "insecure": True})
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
        board = await place.board(mqtt={"host": SERVER, "tls": True, "insecure": True})
        board.core.beside = (20_000, 18_000)
        for _ in range(5):
            await board.wait_for_log("too little memory", 60, since=board.serial.count)
        assert not [line for line in board.log if contract.LOG_RESTART in line]
