"""What the board tells Home Assistant of its metrics."""

import json
import os

from mote import config, contract, homeassistant


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


class Client:
    """Takes what is published; retained entries as a broker keeps them."""

    def __init__(self):
        self.kept = {}

    async def publish(self, topic, message, retain=False, qos=0):
        assert retain and qos == 1
        if message:
            self.kept[topic] = message
        else:
            self.kept.pop(topic, None)


def kept(client):
    return sorted(topic.split("/")[3] for topic in client.kept)


async def test_the_entries_of_metrics_that_are_gone_are_cleared_also_by_a_later_start():
    homeassistant._LIST = config._NEW = "build/announced-test.json"
    config._NEW += ".new"
    client = Client()

    async def announce(metrics, complete=True, device="a"):
        await homeassistant.announce(client, device, metrics, "ESP32", 10, complete)

    try:
        await announce(["temperature", "humidity"])
        assert kept(client) == ["humidity", "temperature"]
        await announce(["temperature"])
        assert kept(client) == ["temperature"]
        # A sensor that does not answer may be back tomorrow.
        await announce(["pressure"], complete=False)
        assert kept(client) == ["pressure", "temperature"]
        await announce(["pressure"])
        assert kept(client) == ["pressure"]
        await homeassistant.withdraw(client, "a")
        assert kept(client) == []
        # What another id announced is not ours to clear.
        await announce(["rssi"], device="b")
        assert kept(client) == ["rssi"]
    finally:
        os.remove(homeassistant._LIST)


def test_an_entry_expires_after_three_readings_that_did_not_come():
    assert json.loads(homeassistant.entry("a", "rssi", "ESP32", 10))["expire_after"] == 90
    assert json.loads(homeassistant.entry("a", "rssi", "ESP32", 2.5))["expire_after"] == 67
    assert json.loads(homeassistant.entry("a", "rssi", "ESP32", 86400))["expire_after"] == 259260
