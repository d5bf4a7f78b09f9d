"""Profile `full`: the last value of everything in Redis, who reads it, and what guards Docker."""

import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import redis
from motekit.stack.installation import DOCKER
from motekit.stack.instant import ask
from running_stack import PATIENCE_S, RunningStack, eventually

pytestmark = pytest.mark.stack

LIVE = json.loads((DOCKER / "grafana" / "full" / "live.json").read_text())


def client(stack: RunningStack, device: str) -> mqtt.Client:
    """A device; a new account restarts the broker, after which all hear it again."""
    made = stack.client(device)
    eventually(lambda: asked(f"{page(stack)}/health"))
    return made


def publish(
    stack: RunningStack, device: str, topic: str, payload: str, retain: bool = False
) -> None:
    sender = client(stack, device)
    sender.publish(topic, payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)
    sender.loop_stop()
    sender.disconnect()


def shown(stack: RunningStack, device: str) -> dict[str, Any]:
    """What the page at /redis says of a device, nothing as long as that is nothing."""
    return asked(f"{page(stack)}/redis/{device}")


def asked(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return json.loads(answer.read())
    except (OSError, http.client.HTTPException):
        return {}


def page(stack: RunningStack) -> str:
    return f"http://{stack.address('last-values')}:8000"


def in_redis(stack: RunningStack, user: str) -> redis.Redis:
    """A connection as `user`, whose password is in its own folder of secrets."""
    password = (stack.installation.secrets / user / "redis_password").read_text()
    return redis.Redis(
        stack.address("redis"), username=user, password=password, decode_responses=True
    )


def value(stack: RunningStack, device: str, metric: str) -> float | None:
    return shown(stack, device).get("readings", {}).get(metric, {}).get("value")


def test_a_reading_is_the_last_value_within_a_second(stack: RunningStack) -> None:
    device = client(stack, "kitchen")
    grafana = in_redis(stack, "grafana")
    began = time.time()

    def arrives(sent: str) -> float:
        """How many seconds that takes."""
        published = time.monotonic()
        device.publish("sensors/kitchen/temperature", sent, qos=1)
        eventually(lambda: grafana.hget("values:kitchen", "temperature") == sent, pause_s=0.02)
        return time.monotonic() - published

    # Each begins when the one before is there: what is gathered for a second takes it each time.
    # A busy machine may be late, not always.
    arrives("21.5")
    assert any(arrives(f"21.7{number}") < 1 for number in range(1, 10))
    assert began - 1 <= float(grafana.hget("times:kitchen", "temperature")) <= time.time() + 1


def test_what_was_kept_counts_by_its_own_time(stack: RunningStack) -> None:
    line = "sensors,device=attic,metric=co2 value={} {}"
    publish(stack, "attic", "sensors/attic/co2", "500")
    eventually(lambda: value(stack, "attic", "co2") == 500)
    # After the live reading has its time, which is that of its arrival.
    now = time.time_ns()
    publish(stack, "attic", "backfill/attic", line.format(400, now - 3600 * 10**9))
    later = "\n".join((line.format(610, now + 10**10), line.format(605, now + 10**9)))
    publish(stack, "attic", "backfill/attic", later)
    eventually(lambda: value(stack, "attic", "co2") == 610)
    assert shown(stack, "attic")["readings"]["co2"]["time"] == pytest.approx(
        now / 1e9 + 10, abs=0.01
    )


def test_a_device_is_online_until_its_last_will(stack: RunningStack) -> None:
    publish(stack, "door", "devices/door/info", json.dumps({"rssi": -61}), retain=True)
    publish(stack, "door", "devices/door/status", "online", retain=True)
    eventually(lambda: shown(stack, "door").get("online"))
    began = time.time()
    publish(stack, "door", "devices/door/status", "offline", retain=True)
    eventually(lambda: not shown(stack, "door").get("online", True))
    assert shown(stack, "door")["info"] == {"rssi": -61}
    assert began - 1 <= shown(stack, "door")["changed"] <= time.time() + 1


@pytest.mark.parametrize("service", ["redis", "last-values", "mosquitto"])
def test_after_a_kill_the_newest_is_there(stack: RunningStack, service: str) -> None:
    device = f"killed-{service}"
    publish(stack, device, f"devices/{device}/status", "online", retain=True)
    publish(stack, device, f"sensors/{device}/light", "1")
    eventually(lambda: value(stack, device, "light") == 1)
    stack.kill(service)
    sent = 1

    def arrived() -> bool:
        nonlocal sent
        sent += 1
        publish(stack, device, f"sensors/{device}/light", str(sent))
        # What nobody heard comes with the next one: it is waited for a while only.
        until = time.monotonic() + 10
        while (found := value(stack, device, "light")) != sent and time.monotonic() < until:
            time.sleep(0.1)
        return found == sent

    eventually(arrived)
    assert shown(stack, device)["online"]


def test_what_it_missed_comes_from_the_database(stack: RunningStack) -> None:
    publish(stack, "rare", "sensors/rare/battery", "3.9")
    eventually(lambda: value(stack, "rare", "battery") == 3.9)
    stack.compose("stop", "last-values")
    try:
        sender = stack.client("rare")
        sender.publish("sensors/rare/battery", "3.7", qos=1).wait_for_publish(PATIENCE_S)
        written = "SELECT last(value) FROM sensors WHERE device='rare'"
        eventually(lambda: [row["last"] for row in stack.rows(written)] == [3.7])
    finally:
        stack.compose("start", "last-values")
    eventually(lambda: value(stack, "rare", "battery") == 3.7)


def test_a_bad_payload_harms_nothing(stack: RunningStack) -> None:
    device = client(stack, "odd")
    for payload in ("", "abc", "nan", "inf", "1_0", "\x00", "9" * 5000):
        for topic in ("sensors/odd/bad", "backfill/odd", "devices/odd/info", "devices/odd/status"):
            device.publish(topic, payload, qos=1)
    device.publish("sensors/odd/Bad", "1", qos=1)
    device.publish("sensors/odd/good", "1", qos=1)
    eventually(lambda: value(stack, "odd", "good") == 1)
    assert list(shown(stack, "odd")["readings"]) == ["good"]


def test_made_up_devices_report(stack: RunningStack) -> None:
    def all_report() -> bool:
        found = {one["id"]: one for one in ask(page(stack), "")}
        ours = [found.get(f"fleet-{number:02}") for number in range(1, 21)]
        # A few may be in an outage just now.
        return sum(bool(one and one["online"] and one["readings"]) for one in ours) > 10

    eventually(all_report)


def test_grafana_reads_the_keys_that_its_dashboard_shows(stack: RunningStack) -> None:
    publish(stack, "shown", "sensors/shown/temperature", "7")
    publish(stack, "shown", "devices/shown/status", "online", retain=True)
    eventually(lambda: shown(stack, "shown").get("online"))
    keys = [
        target["keyName"].replace("${device}", "shown")
        for panel in LIVE["panels"]
        for target in panel["targets"]
        if target["datasource"]["type"] == "redis-datasource"
    ]
    assert len(keys) == 2
    grafana = in_redis(stack, "grafana")
    assert all(grafana.hgetall(key) for key in keys)


def test_nobody_does_in_redis_what_is_not_theirs(stack: RunningStack) -> None:
    nobody = redis.Redis(stack.address("redis"))
    assert nobody.ping()
    with pytest.raises(redis.exceptions.NoPermissionError):
        nobody.hgetall("values:kitchen")
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis(stack.address("redis"), username="grafana", password="x").ping()
    for forbidden in (("HSET", "values:x", "a", "1"), ("FLUSHALL",), ("CONFIG", "GET", "*")):
        with pytest.raises(redis.exceptions.NoPermissionError):
            in_redis(stack, "grafana").execute_command(*forbidden)
    for forbidden in (("HSET", "elsewhere", "a", "1"), ("FLUSHALL",), ("KEYS", "*")):
        with pytest.raises(redis.exceptions.NoPermissionError):
            in_redis(stack, "last-values").execute_command(*forbidden)


def test_the_live_panel_would_have_a_reading_within_a_second(stack: RunningStack) -> None:
    """With the account and the topics of Grafana's plugin; its panel itself only where it runs."""
    topics = {
        target["topic"].replace("${device}", "live").replace("${metric}", "distance")
        for panel in LIVE["panels"]
        for target in panel["targets"]
        if target["datasource"]["type"] == "grafana-mqtt-datasource"
    }
    assert topics == {"sensors/live/distance"}
    device = client(stack, "live")
    password = (stack.installation.secrets / "grafana" / "mqtt_password").read_text()
    grafana = stack.client("grafana", password)
    heard: list[tuple[bytes, float]] = []
    subscribed: list[object] = []
    grafana.on_subscribe = lambda *details: subscribed.append(details)
    grafana.on_message = lambda *details: heard.append((details[2].payload, time.monotonic()))
    for topic in topics:
        grafana.subscribe(topic)
    eventually(lambda: subscribed)

    def arrives(text: str) -> float:
        """How many seconds that takes."""
        sent, before = time.monotonic(), len(heard)
        device.publish("sensors/live/distance", text, qos=1)
        eventually(lambda: len(heard) > before)
        return heard[-1][1] - sent

    assert any(arrives("12") < 1 for _ in range(9))
    heard.clear()
    # It only reads: what it publishes reaches nobody.
    grafana.publish("sensors/live/distance", "13", qos=1).wait_for_publish(PATIENCE_S)
    device.publish("sensors/live/distance", "14", qos=1).wait_for_publish(PATIENCE_S)
    eventually(lambda: value(stack, "live", "distance") == 14 and heard)
    assert [payload for payload, _ in heard] == [b"14"]
