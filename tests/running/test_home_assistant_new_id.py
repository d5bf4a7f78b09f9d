"""A board that gets another id leaves no entry of the old one in Home Assistant."""

import pytest
from mote import contract, homeassistant
from mqtt_ear import ear
from test_obeying import commanded

pytestmark = pytest.mark.anyio


async def test_a_new_id_clears_the_entries_of_the_old_one(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        old, new = (homeassistant.topic(name, "rssi") for name in ("dev", "other"))
        await host.heard.wait_for(lambda topic, text: topic == old and bool(text), 60)
        await host.ask("n1", cmd="config", config={"id": "other"})
        await host.heard.wait_for(lambda topic, text: topic == new and bool(text), 120)
        # mosquitto_sub shows an empty payload as (null).
        await host.heard.wait_for(lambda topic, text: topic == old and text == "(null)", 60)
        # Mosquitto is the judge: a client that comes later gets what is retained.
        port = str(host.place.broker.port)
        async with ear([], "-p", port, "-q", "1", "-t", "#") as late:
            await late.wait_for(lambda topic, text: topic == new and bool(text), 60)
            reading = contract.sensor_topic("other", "rssi")
            await late.wait_for(lambda topic, _: topic == reading, 60)
        entries = {topic for topic, _ in late.heard if topic.startswith("homeassistant/")}
        assert entries and all(topic.split("/")[2] == "other" for topic in entries)
