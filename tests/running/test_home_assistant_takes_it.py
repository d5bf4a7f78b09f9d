"""Home Assistant finds every metric by what the board publishes: its own schema is asked."""

import json
import sys
from pathlib import Path

import pytest
from home_assistant import objections
from house_of_one import home
from mote import contract, homeassistant, units
from motesim.parts import Bme280
from mqtt_ear import ear
from test_introduction import METRICS

# Home Assistant is installed once, beside our own environment.
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        sys.version_info >= (3, 13), reason="Home Assistant 2024.3.3 is for Python 3.11 and 3.12"
    ),
]


def sensed(metric: str):
    return lambda topic, _: topic == contract.sensor_topic("dev", metric)


def introduced(metric: str):
    return lambda topic, _: topic == homeassistant.topic("dev", metric)


async def test_it_takes_what_a_board_publishes(tmp_path: Path) -> None:
    async with home(tmp_path) as place:
        board = await place.board(Bme280())
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        options = ("-p", str(place.broker.port), "-q", "1", "-t", "#")
        async with ear([], *options) as heard:
            for metric in METRICS:
                await heard.wait_for(sensed(metric), 60)
                await heard.wait_for(introduced(metric), 60)
    found = {topic: text for topic, text in heard.heard if topic.startswith("homeassistant/")}
    assert len(found) == len(METRICS)
    assert objections(found) == {}


def test_it_takes_every_metric_that_has_a_unit_and_one_without() -> None:
    metrics = [*units.UNITS, *(f"{metric}_2" for metric in units.UNITS), "mood"]
    messages = {
        homeassistant.topic("dev", metric): homeassistant.entry("dev", metric, "ESP32")
        for metric in metrics
    }
    assert objections(messages) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"state_topic": "sensors/dev+/t"},
        {"origin": {"sw_version": "1"}},
        {"device_class": "warmth"},
        {"unit_of_measurement": "hPa"},
        {"state_class": "total"},
        {"state_klass": "measurement"},
        {"device": {"name": "nobody"}},
        {"availability_topic": ""},
    ],
)
def test_it_would_object(change: dict[str, object]) -> None:
    entry = json.loads(homeassistant.entry("dev", "temperature", "ESP32"))
    topic = homeassistant.topic("dev", "temperature")
    assert topic in objections({topic: json.dumps(entry | change)})
