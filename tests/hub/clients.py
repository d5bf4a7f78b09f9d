"""A hub for a test, and a plain MQTT client with the words of these tests."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
from motekit.hub import Hub
from paho.mqtt.enums import CallbackAPIVersion

WAIT_S = 120


class Client:
    """A plain MQTT client with the words of these tests."""

    def __init__(self, port: int, user: str = "", password: str = "", will: str = "") -> None:
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        if user:
            self._client.username_pw_set(user, password)
        if will:
            self._client.will_set(will, "offline", 1, True)
        self.heard: list[tuple[str, str]] = []
        self.refused: bool | None = None
        self._client.on_connect = self._connected
        self._client.on_message = lambda c, u, m: self.heard.append((m.topic, m.payload.decode()))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        until(lambda: self.refused is not None)

    def _connected(self, client, userdata, flags, reason, properties) -> None:
        self.refused = reason.is_failure

    def publish(self, topic: str, payload: str, retain: bool = False) -> None:
        self._client.publish(topic, payload, 1, retain).wait_for_publish(WAIT_S)

    def subscribe(self, topic: str) -> None:
        done: list[int] = []
        self._client.on_subscribe = lambda *a: done.append(1)
        self._client.subscribe(topic, 1)
        until(lambda: bool(done))

    def vanish(self) -> None:
        """The connection breaks without a word."""
        self._client.loop_stop()
        self._client.socket().close()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def until(condition: Callable[[], object], seconds: float = WAIT_S) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def with_hub(hub: Hub, story: Callable[[], None]) -> None:
    """Run `story` in a thread while the hub lives."""

    async def run() -> None:
        await hub.start()
        try:
            await asyncio.to_thread(story)
        finally:
            await hub.stop()

    asyncio.run(run())


def new_hub(data: Path, host: str = "127.0.0.1") -> Hub:
    return Hub(data, mqtt_host=host, mqtt_port=0, http_port=None)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process holds SQLite's write lock of `database`."""
    script = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60); "
        "db.execute('BEGIN IMMEDIATE'); print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == b"locked\n"
        try:
            yield
        finally:
            process.stdin.close()
