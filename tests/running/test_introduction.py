"""What a board says of itself when it comes online: its metrics, and the crash before it."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from house_of_one import home
from mote import contract
from motekit import boards, firmware, places
from motesim import BoardSpec
from motesim.parts import Bme280
from mqtt_ear import Ear, ear

pytestmark = pytest.mark.anyio
METRICS = {"temperature", "humidity", "pressure", "chip_temperature", "rssi"}
CRASH = """
import os

def _crash_once():
    try:
        os.remove("/crash-once")
    except OSError:
        return
    raise RuntimeError("this once")

_crash_once()
"""


def everything(port: int, *options: str):
    return ear([], "-p", str(port), "-q", "1", "-t", "#", *options)


async def introduced(heard: Ear, wanted: set[str]) -> list[dict[str, str]]:
    """The messages of discovery, as soon as they are for all of these topics, and for no other."""
    async with asyncio.timeout(60):
        while True:
            found = [json.loads(p) for t, p in heard.heard if t.startswith("homeassistant/")]
            topics = {entry["state_topic"] for entry in found}
            assert topics <= wanted
            if topics == wanted:
                return found
            await heard.more_than(len(heard.heard))


async def test_each_metric_is_introduced_to_home_assistant_retained_and_once(
    tmp_path: Path,
) -> None:
    async with home(tmp_path) as place:
        board = await place.board(Bme280())
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        wanted = {contract.sensor_topic("dev", metric) for metric in METRICS}
        async with everything(place.broker.port) as first:
            await introduced(first, wanted)
        await board.reset()
        since = len(board.log)
        await board.wait_for_log(contract.LOG_FIRST_READING, 60, since=since)
        # Who comes late gets what is retained.
        async with everything(place.broker.port, "--retained-only") as late:
            found = await introduced(late, wanted)
        assert len({entry["unique_id"] for entry in found}) == len(METRICS)
        units = {
            entry["state_topic"].split("/")[2]: entry["unit_of_measurement"] for entry in found
        }
        assert units["temperature"] == "°C" and units["pressure"] == "hPa"
        assert units["rssi"] == "dBm" and units["humidity"] == "%"


async def test_a_crash_is_told_once(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(places.FIRMWARE, source, ignore=shutil.ignore_patterns("__pycache__"))
    running = source / "mote" / "running.py"
    running.write_text(running.read_text() + CRASH)
    tree = await asyncio.to_thread(firmware.build, boards.default_for("esp32"), source)
    topic = contract.device_topic("dev", "log")
    async with home(tmp_path) as place, everything(place.broker.port) as heard:
        document = {
            "version": 1, "id": "dev", "interval": 1, "mqtt": {"host": "mqtt.local"},
            "wifi": [{"ssid": place.wifi.ssid, "password": place.wifi.password}],
        }  # fmt: skip
        board = await place.world.add_board(BoardSpec("dev", config=document, firmware=tree))
        board.flash.write("crash-once", b"")
        await board.power_on()
        await heard.wait_for(lambda t, p: t == topic and "Traceback" in p, 60)
        info = contract.device_topic("dev", "info")
        _, told = await heard.wait_for(lambda t, p: t == info, 60)
        assert json.loads(told)["crashes"] == 1
        since = len(board.log)
        await board.reset()
        await board.wait_for_log(contract.LOG_FIRST_READING, 60, since=since)
        assert sum("Traceback" in p for t, p in heard.heard if t == topic) == 1
