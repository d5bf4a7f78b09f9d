"""A configured board: what it publishes, and what it does when things go away and come back."""

import json
import subprocess
from pathlib import Path

import pytest
from house_of_one import Home, home
from mote import contract
from motesim.parts import Bme280, Dht22
from mqtt_ear import Ear, ear, intervals

pytestmark = pytest.mark.anyio
STATUS = contract.device_topic("dev", "status")
INFO = contract.device_topic("dev", "info")


def listening(place: Home):
    return ear([], "-p", str(place.broker.port), "-q", "1", "-t", "#")


async def hear(heard: Ear, topic: str, payload: str | None = None, timeout_s: float = 60) -> str:
    """The payload of the first message on `topic`, which is `payload` if that is given."""
    wanted = (
        (lambda t, p: t == topic) if payload is None else (lambda t, p: (t, p) == (topic, payload))
    )
    return (await heard.wait_for(wanted, timeout_s))[1]


async def test_readings_are_plain_floats_and_the_board_says_who_it_is(tmp_path: Path) -> None:
    async with home(tmp_path) as place, listening(place) as heard:
        await place.board(Bme280(temperature=21.5, humidity=40, pressure=1000.5))
        assert float(await hear(heard, "sensors/dev/pressure")) == pytest.approx(1000.5, abs=0.1)
        await hear(heard, "sensors/dev/rssi", "-55")
        assert await hear(heard, STATUS) == contract.ONLINE
        info = json.loads(await hear(heard, INFO))
        assert info["board"] == "ESP32" and info["reset"] == "power-on"
        assert info["sensors"] == ["bme280", "chip", "rssi"] and info["ip"].startswith(
            "192.168.50."
        )
        for topic, payload in heard.heard:
            if topic.startswith("sensors/"):
                assert float(payload) == float(payload), (topic, payload)


async def test_a_power_cut_is_seen_as_offline_which_is_retained_and_readings_are_not(
    tmp_path: Path,
) -> None:
    async with home(tmp_path) as place:
        async with listening(place) as heard:
            board = await place.board()
            await hear(heard, "sensors/dev/rssi")
            await board.cut_power()
            # The broker waits one and a half keep-alives of 20 s.
            await hear(heard, STATUS, contract.OFFLINE, timeout_s=120)
        async with listening(place) as late:
            assert await hear(late, STATUS) == contract.OFFLINE
            await hear(late, INFO)
            topics = {topic for topic, _ in late.heard}
            introduced = {topic for topic in topics if topic.startswith("homeassistant/")}
            assert topics - introduced == {STATUS, INFO}


async def test_a_broker_that_comes_back_is_found_without_joining_the_wifi_anew(
    tmp_path: Path,
) -> None:
    async with home(tmp_path) as place:
        board = await place.board()
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        await place.broker.stop()
        await board.wait_for_log(contract.LOG_DISCONNECTED, 60)
        await place.broker.start()
        async with listening(place) as heard:
            await hear(heard, "sensors/dev/rssi")
        joins = [line for line in board.log if contract.LOG_JOINED in line]
        assert len(joins) == 1, board.log


async def test_wifi_that_comes_back_is_joined_again(tmp_path: Path) -> None:
    async with home(tmp_path) as place, listening(place) as heard:
        board = await place.board()
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        place.world.switch(place.wifi, up=False)
        await board.wait_for_log(contract.LOG_DISCONNECTED, 60)
        before = len(board.log)
        place.world.switch(place.wifi, up=True)
        await board.wait_for_log(contract.LOG_CONNECTED, 60, since=before)
        seen = len(heard.heard)
        await heard.wait_for(lambda t, p: t == "sensors/dev/rssi" and len(heard.heard) > seen, 60)


async def test_a_refused_login_says_so_and_is_tried_again(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    options = f"allow_anonymous false\npassword_file {passwords}"
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(passwords), "dev", "right"], check=True)
    async with home(tmp_path, options) as place:
        board = await place.board(mqtt={"host": "mqtt.local", "password": "wrong"})
        await board.wait_for_log("did not accept the user and password", 60)
        await board.cut_power()
        assert "wrong" not in "\n".join(board.log)


async def test_a_password_alone_logs_in_under_the_device_id(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    options = f"allow_anonymous false\npassword_file {passwords}"
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(passwords), "dev", "right"], check=True)
    async with home(tmp_path, options) as place:
        board = await place.board(mqtt={"host": "mqtt.local", "password": "right"})
        await board.wait_for_log(contract.LOG_CONNECTED, 60)


async def test_the_boot_button_held_for_three_seconds_opens_the_portal(tmp_path: Path) -> None:
    async with home(tmp_path) as place, listening(place) as heard:
        board = await place.board()
        await hear(heard, STATUS, contract.ONLINE)
        await board.press("boot", 5)
        await hear(heard, STATUS, contract.OFFLINE)
        await board.wait_for_log(contract.LOG_SETUP, 60)


async def test_the_boot_button_held_for_ten_seconds_erases_the_configuration(
    tmp_path: Path,
) -> None:
    async with home(tmp_path) as place:
        board = await place.board()
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        await board.press("boot", 13)
        await board.wait_for_log(contract.LOG_SETUP, 60)
        await board.cut_power()
        files = board.flash.files()
        assert "/boot.py" in files and "/config.json" not in files


async def test_a_sensor_that_breaks_is_logged_over_mqtt_and_disturbs_no_other(
    tmp_path: Path,
) -> None:
    dht = Dht22(pin=4)
    async with home(tmp_path) as place, listening(place) as heard:
        await place.board(dht, Bme280())
        await hear(heard, "sensors/dev/dht22_temperature")
        dht.broken = True
        assert "dht22" in await hear(heard, contract.device_topic("dev", "log"))
        seen = len(heard.heard)
        await heard.wait_for(
            lambda t, p: t == "sensors/dev/temperature" and len(heard.heard) > seen, 10
        )


async def test_ctrl_c_leads_to_the_repl_and_the_watchdog_leaves_it_alone(tmp_path: Path) -> None:
    async with home(tmp_path) as place:
        board = await place.board()
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        board.serial.type(b"\x03")
        await board.wait_for_log("stopped by Ctrl-C", 60)
        assert not any(contract.LOG_RESTART in line for line in board.log)


async def test_readings_come_at_even_intervals(tmp_path: Path) -> None:
    async with home(tmp_path) as place, listening(place) as heard:
        await place.board()
        await hear(heard, "sensors/dev/rssi")
        # A busy machine is late now and then; what is late is not made up for, and does not add up.
        for _ in range(10):
            apart = await intervals(heard, "sensors/dev/rssi", 10)
            if sum(apart) == pytest.approx(10, abs=0.3) and min(apart) > 0.7:
                return
        raise AssertionError(apart)
