"""Devices of the fleet: their values are those of a day, and their faults those of sensors."""

import itertools
import re
import statistics
import time

import pytest
from mote import contract
from motekit.fleet import device as of
from motekit.fleet.curves import BATTERY_DAYS, CURVES, DAY_S, KINDS
from motekit.fleet.device import Device
from motekit.fleet.tally import Latencies, Tally
from motekit.fleet.verify import number_of

# A midnight of this machine's time zone.
MIDNIGHT = 1_780_272_000 + time.timezone
STEP_S = 600
FLEET = 60


def fleet(faulty: float = 0, numbered: bool = False, seed: str = "s") -> list[Device]:
    names = (f"fleet-{number}" for number in range(FLEET))
    return [Device(name, seed, Tally(), MIDNIGHT, 1, faulty, numbered) for name in names]


def day(device: Device, days: float = 1) -> dict[str, list[float]]:
    """Every metric of a device, measured every ten minutes from midnight on."""
    values: dict[str, list[float]] = {metric: [] for metric in device.metrics}
    for number in range(int(days * DAY_S / STEP_S)):
        for message in device.measure(MIDNIGHT + number * STEP_S):
            metric = message.topic.field.decode().rsplit("/")[-1]
            values[metric].append(float(message.payload))
    return values


def test_every_payload_is_a_plain_float_within_the_range_of_its_sensor() -> None:
    seen = set()
    for device in fleet(faulty=0.5):
        for message in device.measure(MIDNIGHT + DAY_S / 2):
            topic = message.topic.field[2:].decode()
            assert topic == contract.sensor_topic(device.id, topic.rsplit("/")[-1])
            assert re.fullmatch(rb"-?\d+(\.\d+)?", message.payload)
        for metric, values in day(device).items():
            seen.add(metric)
            low, high = CURVES[metric].low, CURVES[metric].high
            assert all(low <= value <= high or value == 85.0 for value in values), metric
    assert seen == {metric for metrics in KINDS.values() for metric in metrics} == set(CURVES)


def test_nights_are_dark_and_afternoons_are_warm() -> None:
    for device in fleet():
        values = day(device)
        if "illuminance" in values:
            light = values["illuminance"]
            assert max(light[:30]) < 50 < max(light[60:90])
        if "temperature" in values:
            warm = values["temperature"]
            assert statistics.mean(warm[84:96]) > statistics.mean(warm[12:24])
        if "co2" in values:
            assert statistics.mean(values["co2"][:36]) < 440


def test_the_same_seed_gives_the_same_readings_and_another_one_others() -> None:
    first, second, other = (fleet(faulty=0.5, seed=seed) for seed in ("a", "a", "b"))
    assert [day(d) for d in first] == [day(d) for d in second]
    assert [d.kind for d in first] != [d.kind for d in other]


def test_batteries_run_down_and_are_changed() -> None:
    device = next(d for d in fleet() if "battery" in d.metrics)
    device.place.new_battery(MIDNIGHT)
    volts = day(device, BATTERY_DAYS + 1)["battery"]
    a_day = DAY_S // STEP_S
    daily = [statistics.mean(volts[n : n + a_day]) for n in range(0, len(volts), a_day)]
    assert daily == sorted(daily, reverse=True)
    assert daily[0] > 4.0 and daily[-1] < 3.25
    end = MIDNIGHT + BATTERY_DAYS * DAY_S
    assert device.place.charge(end) == 0
    device.place.new_battery(end)
    assert device.place.charge(end) == 1


def ill(fault: str) -> list[Device]:
    found = [device for device in fleet(faulty=1) if device.fault == fault]
    assert found
    return found


def test_a_sensor_can_be_stuck() -> None:
    for device in ill("stuck"):
        assert [len(set(values)) for values in day(device).values()].count(1) == 1


def test_a_sensor_can_say_85_degrees() -> None:
    for device in ill("spikes"):
        assert sum(85.0 in values for values in day(device).values()) == 1


def test_a_sensor_can_be_noisy() -> None:
    def jitter(device: Device) -> dict[str, float]:
        """How far neighbouring readings are apart, which a day does not change."""
        return {
            metric: statistics.median(abs(b - a) for a, b in itertools.pairwise(values))
            for metric, values in day(device).items()
        }

    sound = {device.id: jitter(device) for device in fleet()}
    for device in ill("noisy"):
        wide = [one for metric, one in jitter(device).items() if one > 3 * sound[device.id][metric]]
        assert len(wide) <= 1
    assert any(
        one > 10 * sound[device.id][metric]
        for device in ill("noisy")
        for metric, one in jitter(device).items()
    )


def test_sensors_can_hang_for_a_while() -> None:
    rounds = [len(day(device)["rssi"]) for device in ill("hangs")]
    assert min(rounds) < DAY_S // STEP_S
    assert min(rounds) > 0


def test_every_value_carries_its_number_if_it_is_to_be_counted() -> None:
    for device in fleet(numbered=True, faulty=0.2):
        for metric, values in day(device).items():
            assert [number_of(value) for value in values] == list(range(len(device.rounds))), metric


def test_a_store_that_is_full_gives_its_oldest_readings_up(monkeypatch) -> None:
    monkeypatch.setattr(of, "STORE", 30)
    device = fleet()[0]
    for number in range(20):
        for message in device.measure(MIDNIGHT + number):
            device.keep(message)
    taken = 20 * len(device.metrics)
    assert len(device.store) == 30
    lines = []
    while device.store:
        message = device.backfill()
        assert message.readings == len(message.payload.splitlines()) <= of.BACKFILL_LINES
        lines += message.payload.decode().splitlines()
    assert len(lines) == 30
    for line in lines:
        assert re.fullmatch(
            rf"sensors,device={device.id},metric=[a-z0-9_]+ value=-?\d+(\.\d+)? \d{{19}}", line
        )
    times = [int(line.rsplit(" ")[-1]) for line in lines]
    assert times == sorted(times) and times[-1] == (MIDNIGHT + 19) * 10**9
    assert taken - 30 > 0


def test_percentiles_are_within_three_percent() -> None:
    latencies = Latencies()
    for us in range(1, 100_001):
        latencies.add(us / 1e6)
    for part in (0.01, 0.5, 0.95, 0.999):
        assert latencies.percentile(part) == pytest.approx(part * 0.1, rel=0.04)
    assert latencies.percentile(1) == latencies.highest_s == 0.1
    assert Latencies().percentile(0.5) == 0
