"""Parts that lie, on a board: what arrives is what was measured, or nothing.

The parts are those of the simulator, whose registers public drivers judge (tests/sim).
"""

from pathlib import Path

import pytest
from house_of_one import home
from mote import contract
from motesim.parts import Bme280, Bmp280, Dht22
from mqtt_ear import ear

pytestmark = pytest.mark.anyio
CTRL_MEAS = 0xF4


class Interrupted(Bme280):
    """Loses its power with the start of every measurement for as long as it is `loose`."""

    loose = False
    starts = 0

    def write(self, data: bytes) -> None:
        super().write(data)
        if len(data) == 2 and data[0] == CTRL_MEAS and data[1] & 3:
            self.starts += 1
            if self.loose:
                self.power_lost()


async def test_a_clone_of_the_dht22_and_a_bmp280_are_read(tmp_path: Path) -> None:
    parts = (Dht22(pin=4, temperature=-2.3, humidity=69, clone=True), Bmp280(-11.25, 1051.5))
    async with (
        home(tmp_path) as place,
        ear([], "-p", str(place.broker.port), "-q", "1", "-t", "#") as heard,
    ):
        await place.board(*parts)
        for metric, value in (
            ("dht22_temperature", -2.3),
            ("humidity", 69),
            ("temperature", -11.25),
            ("pressure", 1051.5),
        ):
            topic = contract.sensor_topic("dev", metric)
            _, payload = await heard.wait_for(lambda t, _, topic=topic: t == topic, 60)
            assert float(payload) == pytest.approx(value, abs=0.06), metric
        info = contract.device_topic("dev", "info")
        _, payload = await heard.wait_for(lambda topic, _: topic == info, 60)
        assert '"bmp280", "dht22", "chip", "rssi"' in payload


async def test_a_bme280_without_power_is_silent_and_comes_back(tmp_path: Path) -> None:
    part = Interrupted(temperature=4, humidity=33, pressure=900)
    log, own = contract.device_topic("dev", "log"), contract.sensor_topic("dev", "temperature")
    async with (
        home(tmp_path) as place,
        ear([], "-p", str(place.broker.port), "-q", "1", "-t", "#") as heard,
    ):
        await place.board(part)
        await heard.wait_for(lambda topic, _: topic == own, 60)
        part.loose = True
        _, line = await heard.wait_for(lambda topic, _: topic == log, 60)
        assert "lost its power" in line
        tried = part.starts
        while part.starts < tried + 6:
            await heard.more_than(len(heard.heard))
        part.loose = False
        # Back with its calibration, and nothing else was ever published.
        part.set("temperature", 7)
        await heard.wait_for(lambda topic, payload: topic == own and float(payload) > 6.9, 60)
    published = {
        metric: [float(payload) for topic, payload in heard.heard if topic.endswith("/" + metric)]
        for metric in ("temperature", "humidity", "pressure")
    }
    assert {round(value) for value in published["temperature"]} == {4, 7}
    assert {round(value) for value in published["humidity"]} == {33}
    assert {round(value) for value in published["pressure"]} == {900}
