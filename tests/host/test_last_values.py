"""Last values on a real Mosquitto and Redis: what breaks the contract is refused alone."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import redis
from motekit.values import collector as collecting
from motekit.values.archive import ArchiveError
from motekit.values.collector import Collector
from motekit.values.shelf import Shelf
from motesim.network.ports import free_port
from paho.mqtt.enums import CallbackAPIVersion

WAIT_S = 60
SECOND_NS = 10**9
DEEP = "[" * 100_000
# Accepted by JSON parsers of other languages, or harmful to those who read the info later.
BAD_INFOS = [
    '{"board":"\\ud800"}',
    DEEP,
    '{"rssi":NaN}',
    '{"rssi":1e999}',
    '{"rssi":' + "9" * 30 + "}",
    '{"rssi":-60,"rssi":-70}',
    "[1]",
    b'{"board":"\xff"}',
]


class NoDatabase:
    """A database that never answers, or answers with `rows`."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, float, float]] | None = None

    def last(self, _seconds: float) -> Iterator[tuple[str, str, float, float]]:
        if self.rows is None:
            raise ArchiveError("the database does not answer")
        return iter(self.rows)


def eventually(true: Callable[[], Any]) -> Any:
    until = time.monotonic() + WAIT_S
    while not (found := true()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


class Values:
    """The collector with its broker and its Redis."""

    def __init__(self, folder: Path) -> None:
        self.port, self.redis_port = free_port(), free_port()
        conf = folder / "mosquitto.conf"
        conf.write_text(f"user root\nlistener {self.port} 127.0.0.1\nallow_anonymous true\n")
        store = ["redis-server", "--port", str(self.redis_port), "--save", "", "--dir", str(folder)]
        self._programs = [
            subprocess.Popen(["mosquitto", "-c", conf], stderr=subprocess.DEVNULL),
            subprocess.Popen(store, stdout=subprocess.DEVNULL),
        ]
        self.redis = redis.Redis(port=self.redis_port, decode_responses=True)
        eventually(self._answers)
        self.shelf = Shelf("127.0.0.1", "default", "", self.redis_port)
        self.database = NoDatabase()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.connect_async("127.0.0.1", self.port)
        self._client.loop_start()
        eventually(self._client.is_connected)

    def _answers(self) -> bool:
        try:
            return bool(self.redis.ping())
        except redis.RedisError:
            return False

    def start(self) -> Collector:
        """The collector at work; a second one takes the place of a first that was killed."""
        made = Collector(self.shelf, self.database, "127.0.0.1", "x", "", self.port)
        threading.Thread(target=made.run, daemon=True).start()
        eventually(lambda: made.healthy)
        return made

    def publish(self, topic: str, payload: str | bytes, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(WAIT_S)

    def device(self, name: str) -> dict[str, Any]:
        return next((one for one in self.shelf.everything() if one["id"] == name), {})

    def value(self, name: str, metric: str) -> float | None:
        return self.device(name).get("readings", {}).get(metric, {}).get("value")

    def settled(self, name: str) -> None:
        """Wait until everything that was published so far has been taken."""
        mark = time.time_ns() % 10**9
        self.publish(f"sensors/{name}/mark", str(mark))
        eventually(lambda: self.value(name, "mark") == mark)

    def stop(self) -> None:
        self._client.loop_stop()
        for program in self._programs:
            program.kill()
            program.wait()


@pytest.fixture
def values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Values]:
    monkeypatch.setattr(collecting, "PUT_EVERY_S", 0.01)
    monkeypatch.setattr(collecting, "COMPARE_EVERY_S", 0.05)
    made = Values(tmp_path)
    yield made
    made.stop()


def test_the_good_neighbors_of_a_bad_line_are_taken(values: Values) -> None:
    collector = values.start()
    now = time.time_ns()
    line = "sensors,device=ov1,metric={} value={} {}"
    lines = [
        line.format("temperature", 1.5, 99999999999999999999),
        line.format("temperature", 1.5, 9223372036854775808),
        line.format("humidity", 40, now - SECOND_NS),
        line.format("temperature", "nan", now),
        line.format("temperature", 7, now // 10**6),
        line.format("temperature", 7, now + 2 * 3600 * SECOND_NS),
        line.format("temperature", 7, -1),
        line.format("co2", 500, now - SECOND_NS),
        "sensors,device=other,metric=temperature value=1 " + str(now),
    ]
    values.publish("backfill/ov1", "\n".join(lines))
    values.settled("ov1")
    assert values.value("ov1", "humidity") == 40 and values.value("ov1", "co2") == 500
    assert values.value("ov1", "temperature") is None and values.device("other") == {}
    assert collector.refused == 7


def test_a_time_in_the_future_does_not_hide_what_comes_after(values: Values) -> None:
    values.start()
    ahead = time.time_ns() + 1800 * SECOND_NS
    values.publish("backfill/a", f"sensors,device=a,metric=co2 value=610 {ahead}")
    eventually(lambda: values.value("a", "co2") == 610)
    values.publish("sensors/a/co2", "500")
    eventually(lambda: values.value("a", "co2") == 500)


def test_a_time_in_the_future_that_redis_has_already_is_overcome(values: Values) -> None:
    """As a version without the check wrote it: in the year 2262, and an info that is no JSON."""
    values.redis.sadd("devices", "a")
    values.redis.hset("values:a", mapping={"co2": "610"})
    values.redis.hset("times:a", mapping={"co2": "9223372036.8"})
    values.redis.hset("device:a", mapping={"online": "1", "changed": "1", "info": "{NaN"})
    values.start()
    assert values.device("a")["info"] == {}
    values.publish("sensors/a/co2", "500")
    eventually(lambda: values.value("a", "co2") == 500)


@pytest.mark.parametrize("bad", BAD_INFOS, ids=lambda bad: repr(bad[:12]))
def test_a_bad_info_is_refused_alone(values: Values, bad: str | bytes) -> None:
    collector = values.start()
    values.publish("devices/b/info", '{"rssi":-61}')
    values.publish("devices/b/info", bad)
    values.publish("devices/c/info", '{"board":"\\ud83d\\ude00"}')
    values.settled("b")
    values.settled("c")
    assert values.device("b")["info"] == {"rssi": -61} and collector.refused == 1
    assert values.device("c")["info"] == {"board": "\N{GRINNING FACE}"}
    # What the page answers is JSON in UTF-8 for everybody.
    json.dumps(values.shelf.everything(), allow_nan=False).encode()


def test_a_repeated_status_does_not_move_since_when_it_is_so(values: Values) -> None:
    collector = values.start()
    values.publish("devices/d/status", "online", retain=True)
    eventually(lambda: values.device("d").get("online"))
    since = values.device("d")["changed"]
    values.publish("devices/d/status", "online", retain=True)
    for bad in (b"\xff", "x" * 1000, "on line"):
        values.publish("devices/d/status", bad)
    values.settled("d")
    assert values.device("d")["changed"] == since and values.device("d")["online"]
    assert collector.refused == 3
    # Another one hears it from the broker and knows from Redis since when.
    values.start()
    values.publish("devices/d/status", "online", retain=True)
    values.settled("d")
    assert values.device("d")["changed"] == since
    values.publish("devices/d/status", "offline", retain=True)
    eventually(lambda: not values.device("d")["online"])
    assert values.device("d")["changed"] > since


def test_one_device_cannot_fill_redis_for_all(
    values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "METRICS_MAX", 3)
    values.start()
    for number in range(6):
        values.publish(f"sensors/e/m{number}", "1")
    values.publish("sensors/e/m0", "2")
    values.settled("f")
    eventually(lambda: values.value("e", "m0") == 2)
    assert set(values.device("e")["readings"]) == {"m0", "m1", "m2"}
    # What the database has of it does not stop what it has of others either.
    now = time.time()
    values.database.rows = [("e", "m9", 1.0, now), ("g", "co2", 9.0, now)]
    eventually(lambda: values.value("g", "co2") == 9)


def test_work_that_fails_goes_on(values: Values, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody expects, in the comparison and in a message."""
    failed = threading.Event()

    def last(_seconds: float) -> Iterator[tuple[str, str, float, float]]:
        if not failed.is_set():
            failed.set()
            raise ZeroDivisionError
        return iter([("h", "co2", 7.0, time.time())])

    monkeypatch.setattr(values.database, "last", last)
    collector = values.start()
    eventually(lambda: values.value("h", "co2") == 7)
    take = collector._reading

    def once(*details: Any) -> None:
        monkeypatch.setattr(collector, "_reading", take)
        raise ZeroDivisionError

    monkeypatch.setattr(collector, "_reading", once)
    values.publish("sensors/h/light", "1")
    values.publish("sensors/h/light", "2")
    eventually(lambda: values.value("h", "light") == 2)
