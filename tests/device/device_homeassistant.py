"""What the board tells Home Assistant of its metrics."""

import json

from mote import contract, homeassistant


def test_an_entry_says_where_the_readings_are_and_what_they_are():
    entry = json.loads(homeassistant.entry("plant1", "dht22_temperature", "ESP32"))
    assert entry["state_topic"] == contract.sensor_topic("plant1", "dht22_temperature")
    assert entry["availability_topic"] == contract.device_topic("plant1", "status")
    assert (entry["device_class"], entry["unit_of_measurement"]) == ("temperature", "°C")
    assert entry["state_class"] == "measurement"
    assert entry["device"]["identifiers"] == ["mote_plant1"] and entry["name"]


def test_a_metric_without_a_known_unit_has_none():
    entry = json.loads(homeassistant.entry("plant1", "mood", "ESP32"))
    assert "device_class" not in entry and "unit_of_measurement" not in entry


def test_the_words_of_availability_are_those_of_home_assistant():
    # Its defaults, which the entry therefore does not repeat.
    assert (contract.ONLINE, contract.OFFLINE) == ("online", "offline")


def test_topics_are_one_for_each_metric():
    assert homeassistant.topic("a", "b") == "homeassistant/sensor/a/b/config"
