"""`mote fleet --verify`: counts what a real store has, and misses what is not there."""

import asyncio
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fleet_at_work import arrived, world
from motekit.broker.backend import Batch
from motekit.exits import DONE, FAILED
from motekit.fleet.device import Device
from motekit.fleet.in_influx import InInflux
from motekit.fleet.tally import Tally
from motekit.fleet.verify import Stored, VerifyError, judge, number_of
from motekit.hub import Hub
from motesim.network.ports import free_port

pytestmark = pytest.mark.anyio
MOTE = Path(sys.executable).with_name("mote")
NOON = 1_780_315_200.0


async def mote_fleet(*options: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, report and what was said on the side."""
    process = await asyncio.create_subprocess_exec(
        *(MOTE, "fleet", "--json", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, said = await asyncio.wait_for(process.communicate(), 300)
    assert process.returncode is not None
    return process.returncode, json.loads(out) if out else {}, said.decode()


def measured(rounds: int = 50) -> tuple[Device, list[Stored]]:
    """A device after so many rounds, a second apart, and what a faultless store has of it."""
    device = Device("dev", "seed", Tally(), NOON, numbered=True)
    stored = []
    for number in range(rounds):
        for message in device.measure(NOON + number):
            metric = message.topic.field.decode().rsplit("/")[-1]
            stored.append(Stored("dev", metric, NOON + number + 0.1, float(message.payload)))
    return device, stored


def test_what_is_lost_twice_late_or_strange_is_told_apart() -> None:
    device, stored = measured()
    faultless = judge([device], stored, late_s=5)
    assert (faultless.lost, faultless.duplicated, faultless.late, faultless.strange) == (0,) * 4
    chance = random.Random(1)
    picked = chance.sample(stored, 12)
    lost, twice, late = picked[:5], picked[5:8], picked[8:]
    rest = [one for one in stored if one not in lost + late]
    rest += twice + [dataclasses.replace(one, time_s=one.time_s + 60) for one in late]
    rest.append(Stored("dev", stored[0].metric, NOON, 20.123999999))
    rest.append(Stored("other", stored[0].metric, NOON, 20.0))
    chance.shuffle(rest)
    verdict = judge([device], rest, late_s=5)
    assert (verdict.lost, verdict.duplicated, verdict.late, verdict.strange) == (5, 3, 4, 2)
    assert verdict.arrived == verdict.taken - 5 == len(stored) - 5
    assert verdict.worst == [("dev", 5)]
    assert verdict.latest_s == pytest.approx(60.1, abs=1e-3)


def test_numbers_survive_the_way_through_a_double() -> None:
    for value in (0.0, 21.5, -12.345, 1013.25, 65534.999):
        for number in (0, 1, 999_999):
            assert number_of(float(f"{value:.3f}{number:06d}")) == number


OUTAGES = ("--outages", "900", "--churn", "900", "--away", "1")


@pytest.mark.parametrize("outages", [(), OUTAGES])
async def test_a_hub_keeps_all_that_the_fleet_sent(
    tmp_path: Path, outages: tuple[str, ...]
) -> None:
    hub = Hub(tmp_path, mqtt_port=0, http_port=None)
    await hub.start()
    try:
        code, report, said = await mote_fleet(
            *("--broker", f"mqtt://127.0.0.1:{hub.mqtt_port}", "--devices", "30", "--rate", "300"),
            *("--seconds", "4", "--late", "60", "--verify", "hub", "--data", str(tmp_path)),
            *outages,
        )
    finally:
        await hub.stop()
    assert code == DONE, said
    verified = report["verified"]
    assert verified["arrived"] == report["taken"] > 300
    assert verified["lost"] == verified["late"] == verified["strange"] == 0
    # An acknowledgement that an outage swallowed makes a reading come twice: at least once (2).
    twice = sum(hub_counts(tmp_path).values()) - report["taken"]
    assert twice == verified["duplicated"] and (outages or not twice)


def hub_counts(data: Path) -> dict[str, int]:
    from motekit.hub.store import Store

    store = Store(data / "readings.db")
    try:
        return store.count_by_device()
    finally:
        store.close()


async def test_what_the_hub_never_got_is_lost_and_ends_with_1(tmp_path: Path) -> None:
    hub = Hub(tmp_path, mqtt_port=0, http_port=None)
    await hub.start()
    commit = hub.ingest.commit

    async def deaf(batch: Batch) -> None:
        kept = [message for message in batch.messages if "fleet-07" not in message.topic]
        await commit(Batch(kept, batch.changes))

    # A bug as it might be: one device's readings are thrown away after they were acknowledged.
    hub.ingest.commit = deaf  # type: ignore[method-assign]
    try:
        code, report, said = await mote_fleet(
            *("--broker", f"mqtt://127.0.0.1:{hub.mqtt_port}", "--devices", "10", "--rate", "100"),
            *("--seconds", "2", "--verify", "hub", "--data", str(tmp_path)),
        )
    finally:
        await hub.stop()
    assert code == FAILED
    assert report["acknowledged"] == report["taken"]
    assert report["lost"] == report["verified"]["lost"] > 0
    assert [name for name, _ in report["verified"]["worst"]] == ["fleet-07"]
    assert f"{report['lost']} of {report['taken']} readings were never stored" in said


async def test_without_a_hub_the_run_does_not_even_begin(tmp_path: Path) -> None:
    code, report, said = await mote_fleet("--verify", "hub", "--data", str(tmp_path))
    assert code == FAILED and "start `mote hub`" in report.pop("error") and not report
    assert "start `mote hub`" in said and not list(tmp_path.iterdir())


async def test_ctrl_c_delivers_what_is_owed_and_prints_the_report(tmp_path: Path) -> None:
    async with world(tmp_path) as (broker, heard):
        process = await asyncio.create_subprocess_exec(
            *(MOTE, "fleet", "--broker", f"127.0.0.1:{broker.port}", "--rate", "500", "--json"),
            stdout=asyncio.subprocess.PIPE,
        )
        while sum(1 for _ in arrived(heard)) < 500:
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == DONE
    report = json.loads(out)
    assert report["acknowledged"] == report["taken"] >= 500
    assert report["lost"] == 0


@asynccontextmanager
async def influx(folder: Path) -> AsyncIterator[str]:
    """Debian's InfluxDB with a database `sensors`; its address."""
    ports = [free_port(), free_port()]
    settings = {
        "INFLUXDB_META_DIR": folder / "meta",
        "INFLUXDB_DATA_DIR": folder / "data",
        "INFLUXDB_DATA_WAL_DIR": folder / "wal",
        "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{ports[0]}",
        "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{ports[1]}",
        "INFLUXDB_REPORTING_DISABLED": "true",
    }
    environment = {**os.environ, **{name: str(value) for name, value in settings.items()}}
    (folder / "empty.conf").touch()
    process = subprocess.Popen(
        ["influxd", "-config", folder / "empty.conf"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{ports[0]}"
    try:
        async with asyncio.timeout(120):
            while not await asyncio.to_thread(_made, url):
                assert process.poll() is None, "influxd does not start"
                await asyncio.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


def _made(url: str) -> bool:
    question = urllib.parse.urlencode({"q": "CREATE DATABASE sensors"}).encode()
    try:
        urllib.request.urlopen(f"{url}/query", question, timeout=10).close()
    except OSError:
        return False
    return True


def write(url: str, stored: list[Stored]) -> None:
    """What Telegraf does with readings: line protocol to the write interface."""
    lines = (
        f"sensors,device={one.device},metric={one.metric} value={one.value!r} "
        f"{int(one.time_s * 1e9)}"
        for one in stored
    )
    body = "\n".join(lines).encode()
    urllib.request.urlopen(f"{url}/write?db=sensors", body, timeout=30).close()


@pytest.mark.skipif(not shutil.which("influxd"), reason="needs influxd: see mote doctor")
async def test_influxdb_is_asked_for_every_reading(tmp_path: Path) -> None:
    async with influx(tmp_path) as url, world(tmp_path) as (broker, heard):

        async def carry() -> None:
            """The way from broker to database, one batch after another."""
            done = 0
            while True:
                found = list(arrived(heard))
                if len(found) > done:
                    await asyncio.to_thread(write, url, found[done:])
                    done = len(found)
                await asyncio.sleep(0.2)

        carrying = asyncio.create_task(carry())
        options = (
            *("--broker", f"127.0.0.1:{broker.port}", "--devices", "120", "--rate", "600"),
            *("--seconds", "3", "--outages", "900", "--away", "1"),
            *("--late", "60", "--verify", "influx", "--influx-url", url),
        )
        code, report, said = await mote_fleet(*options)
        carrying.cancel()
        assert code == DONE, said
        verified = report["verified"]
        assert verified["arrived"] == report["taken"] > 300
        assert (verified["lost"], verified["late"], verified["strange"]) == (0, 0, 0)
        # With nobody who carries, the database misses all of it.
        code, report, said = await mote_fleet(*options, "--prefix", "lonely")
        assert code == FAILED
        assert report["lost"] == report["taken"] == report["acknowledged"] > 300
        missing = InInflux(url, "nowhere")
        with pytest.raises(VerifyError, match=r"database not found: nowhere.*Check --bucket"):
            missing.check()


def test_an_influxdb_that_is_not_there_is_named() -> None:
    with pytest.raises(VerifyError, match=r"does not answer at http://127\.0\.0\.1:1"):
        InInflux("http://127.0.0.1:1", "sensors").check()
