"""What the dashboard's address answers to programs, and to people who are not on this machine."""

import json
import urllib.error
import urllib.request

import pytest
from clients import Client, until, with_hub
from motekit.hub import Hub


def test_programs_read_devices_and_readings_as_json(tmp_path) -> None:
    hub = Hub(tmp_path, mqtt_port=0, http_port=0)

    def story() -> None:
        client = Client(hub.mqtt_port)
        client.publish("sensors/plant1/temperature", "21.5")
        client.publish("devices/plant1/status", "online", retain=True)
        until(lambda: hub.store.latest() and any(d.online for d in hub.store.devices()))
        devices = json.load(urllib.request.urlopen(hub.dashboard_url + "api/devices"))
        assert devices[0]["id"] == "plant1"
        assert devices[0]["readings"]["temperature"]["value"] == 21.5
        url = hub.dashboard_url + "api/readings?device=plant1&metric=temperature"
        assert [r["value"] for r in json.load(urllib.request.urlopen(url))] == [21.5]
        client.close()

    with_hub(hub, story)


def test_on_the_network_the_dashboard_asks_for_the_password(tmp_path) -> None:
    hub = Hub(tmp_path, mqtt_port=0, http_host="0.0.0.0", http_port=0)

    def story() -> None:
        base = f"http://127.0.0.1:{hub.http_port}"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(base + "/api/devices")
        assert "<title>Log in" in urllib.request.urlopen(base + "/").read().decode()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with pytest.raises(urllib.error.HTTPError, match="403"):
            opener.open(base + "/login", b"password=wrong")
        right = f"password={hub.accounts.owner_password}".encode()
        opener.open(base + "/login", right)
        assert json.load(opener.open(base + "/api/devices")) == []

    with_hub(hub, story)
