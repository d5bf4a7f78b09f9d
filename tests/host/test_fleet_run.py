"""A fleet against a real mosquitto: nothing is lost, whatever happens to lines and devices."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet_at_work import arrived, fleet, judged, messages, relay, until, world
from mote import contract
from motekit.fleet import wire
from motekit.fleet.plan import PlanError
from mqtt_ear import Ear

pytestmark = pytest.mark.anyio
# A machine that others keep busy does not hold a rate each time.
ATTEMPTS = 6


def attempts(folder: Path) -> Iterator[Path]:
    """A folder for each of several attempts to be in time."""
    for number in range(ATTEMPTS):
        made = folder / str(number)
        made.mkdir()
        yield made


async def test_every_reading_arrives_once_and_in_time(tmp_path: Path) -> None:
    for attempt in attempts(tmp_path):
        async with world(attempt) as (broker, heard):
            run = fleet(broker.port, devices=50, rate=1000, ramp_s=1, seconds=3)
            await run.run()
            verdict = await judged(run, heard)
        tally = run.tally
        assert tally.taken == tally.sent == tally.acknowledged == verdict.arrived
        assert (verdict.lost, verdict.duplicated, verdict.late, verdict.strange) == (0, 0, 0, 0)
        assert 0 < tally.latency.percentile(0.5) <= tally.latency.highest_s
        # A second of ramp brings half of the rate, two seconds all of it.
        paced = tally.taken == pytest.approx(2500, rel=0.1)
        paced &= run.steady_rate == pytest.approx(1000, rel=0.1)
        if paced and tally.latency.highest_s < 3:
            return
    raise AssertionError((tally.taken, run.steady_rate, tally.latency.highest_s))


def offline(heard: Ear) -> int:
    """How often a device was said to be gone."""
    return sum(payload == contract.OFFLINE for _, _, payload in messages(heard))


async def test_devices_say_who_they_are_and_when_they_go(tmp_path: Path) -> None:
    async with world(tmp_path) as (broker, heard):
        run = fleet(broker.port, devices=3, rate=30, seconds=1)
        await run.run()
        await judged(run, heard)
        await until(lambda: offline(heard) >= len(run.devices))
        told = list(messages(heard))
    for device in run.devices:
        status, info = (contract.device_topic(device.id, leaf) for leaf in ("status", "info"))
        said = [payload for topic, _, payload in told if topic == status]
        assert said == [contract.ONLINE, contract.OFFLINE]
        (of_itself,) = (json.loads(payload) for topic, _, payload in told if topic == info)
        assert of_itself["sensors"] == list(device.metrics)


@pytest.mark.parametrize("connections", [0, 4])
async def test_outages_end_in_backfill_with_the_times_of_the_readings(
    tmp_path: Path, connections: int
) -> None:
    async with world(tmp_path) as (broker, heard):
        run = fleet(
            broker.port, devices=40, rate=800, seconds=4, outages=900, connections=connections
        )
        await run.run()
        verdict = await judged(run, heard)
        # Whoever has a connection alone has a last will that speaks for it; each says goodbye once.
        wills = 0 if connections else run.tally.outages
        await until(lambda: offline(heard) >= wills + len(run.devices))
    assert run.tally.outages > 10
    assert run.tally.kept == run.tally.backfilled > 0
    assert (verdict.lost, verdict.late, verdict.strange) == (0, 0, 0)
    assert offline(heard) == wills + len(run.devices)


async def test_devices_that_leave_come_back_and_lose_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as (broker, heard):
        run = fleet(broker.port, devices=40, rate=800, seconds=4, churn=900)
        await run.run()
        verdict = await judged(run, heard)
    assert run.tally.left > 10
    assert run.tally.joined > len(run.devices)
    assert (verdict.lost, verdict.late, verdict.strange) == (0, 0, 0)


async def test_what_was_not_acknowledged_is_sent_again_as_a_duplicate(tmp_path: Path) -> None:
    async with world(tmp_path) as (broker, heard), relay(broker.port) as (line, port):
        run = fleet(port, devices=4, rate=400, seconds=300, connections=1, window=200)
        running = asyncio.create_task(run.run())
        await until(lambda: run.tally.acknowledged > 50)
        line.mute = True
        before = run.tally.sent
        # What the broker has not read when the line breaks, it does not get.
        await until(lambda: sum(1 for _ in arrived(heard)) >= before + 20)
        line.mute = False
        line.cut()
        run.stop()
        await running
        verdict = await judged(run, heard)
        # The ear hears them twice, and the broker hears which they are.
        second = bytes(line.sent[1])
    assert run.tally.broken == 1
    assert run.tally.again >= 20
    assert verdict.lost == 0
    assert 20 <= verdict.duplicated <= run.tally.again
    login = wire.connect("fleet-0-connection-1", 20)
    assert second.startswith(login)
    assert second[len(login)] == wire.publish_flags(1) | wire.DUP


async def test_a_line_that_breaks_and_breaks_again_loses_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as (broker, heard), relay(broker.port) as (line, port):
        run = fleet(port, devices=20, rate=1000, seconds=300)
        running = asyncio.create_task(run.run())
        for number in range(1, 5):
            await until(lambda: run.tally.acknowledged > 500 * number)  # noqa: B023
            line.cut()
        run.stop()
        await running
        verdict = await judged(run, heard)
    assert run.tally.broken >= 20
    assert (verdict.lost, verdict.strange) == (0, 0)
    assert run.tally.acknowledged == run.tally.taken


async def test_a_broker_that_is_restarted_is_found_again(tmp_path: Path) -> None:
    async with world(tmp_path) as (broker, _):
        run = fleet(broker.port, devices=20, rate=200, seconds=300)
        running = asyncio.create_task(run.run())
        await until(lambda: run.tally.acknowledged > 100)
        await broker.stop()
        await until(lambda: run.tally.kept > 50)
        await broker.start()
        run.stop()
        await running
    assert run.tally.acknowledged == run.tally.taken
    assert run.tally.kept == run.tally.backfilled
    assert run.tally.online == 0


async def test_packet_ids_are_used_again(tmp_path: Path) -> None:
    async with world(tmp_path) as (broker, heard):
        run = fleet(broker.port, devices=50, rate=0, seconds=600, connections=1)
        running = asyncio.create_task(run.run())
        await until(lambda: run.tally.acknowledged > 2 * wire.LAST_ID)
        run.stop()
        await running
        assert (await judged(run, heard)).lost == 0
    assert run.tally.acknowledged == run.tally.taken


async def test_at_qos_0_nothing_is_acknowledged_and_all_arrives(tmp_path: Path) -> None:
    for attempt in attempts(tmp_path):
        async with world(attempt) as (broker, heard):
            run = fleet(broker.port, devices=20, rate=1000, seconds=2, qos=0)
            await run.run()
            verdict = await judged(run, heard)
        assert (run.tally.acknowledged, verdict.lost) == (0, 0)
        if run.steady_rate == pytest.approx(1000, rel=0.1):
            return
    raise AssertionError(run.steady_rate)


async def test_a_broker_that_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("motekit.fleet.connection.ANSWER_S", 1.0)
    monkeypatch.setattr("motekit.fleet.fleet.DRAIN_S", 3.0)
    async with world(tmp_path) as (broker, _), relay(broker.port) as (line, port):
        run = fleet(port, devices=5, rate=50, seconds=300)
        running = asyncio.create_task(run.run())
        await until(lambda: run.tally.acknowledged > 20)
        line.mute = True
        await until(lambda: run.tally.broken >= 5)
        run.stop()
        await running
    assert run.tally.acknowledged < run.tally.taken


async def test_silent_connections_are_kept_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("motekit.fleet.connection.KEEP_ALIVE_S", 6)
    async with world(tmp_path) as (broker, _):
        run = fleet(broker.port, devices=2, rate=0.1, seconds=14)
        await run.run()
    assert run.tally.broken == 0
    assert run.tally.joined == 2


async def test_where_nobody_answers_the_first_device_says_so() -> None:
    with pytest.raises(PlanError, match=r"no MQTT server answers.*`mote hub`"):
        await fleet(1, devices=2).run()
