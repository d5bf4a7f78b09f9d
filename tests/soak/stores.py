"""Where readings end up in a campaign: behind a mosquitto, or in a hub; both can be killed."""

import asyncio
import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

MOTE = Path(sys.executable).with_name("mote")
START_S = 30
Stored = list[tuple[str, float, float]]
# What loses nothing when it is killed, and drops nothing in a burst.
MOSQUITTO = """
user root
allow_anonymous true
persistence true
autosave_on_changes true
autosave_interval 1
max_inflight_messages 0
max_queued_messages 0
"""


class Store(Protocol):
    """A broker, and all that was ever published to it."""

    port: int

    async def start(self) -> None: ...

    def kill(self) -> None:
        """`kill -9`."""

    def stored(self) -> Stored:
        """(device, Unix time, value) of each row."""

    def close(self) -> None: ...


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def listening(port: int) -> None:
    async with asyncio.timeout(START_S):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


class BehindMosquitto:
    """A subscriber with a persistent session, as Telegraf is one, and a table in memory."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        folder.mkdir()
        self._file = folder / "mosquitto.conf"
        self._file.write_text(
            f"{MOSQUITTO}\nlistener {self.port} 127.0.0.1\npersistence_location {folder}/\n"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._rows: Stored = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "store", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda c, *_: c.subscribe([("sensors/#", 1), ("backfill/+", 1)])
        self._client.on_message = self._heard

    async def start(self) -> None:
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._file)], stderr=subprocess.DEVNULL
        )
        await listening(self.port)
        if not self._client.is_connected() and not self._client._thread:
            self._client.connect("127.0.0.1", self.port)
            self._client.loop_start()

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()

    def _heard(self, client: mqtt.Client, data: object, message: mqtt.MQTTMessage) -> None:
        text = message.payload.decode()
        level = message.topic.split("/")
        if level[0] == "sensors":
            self._rows.append((level[1], time.time(), float(text)))
            return
        for line in text.split("\n"):
            _, field, ns = line.split(" ")
            self._rows.append((level[1], int(ns) / 1e9, float(field.partition("=")[2])))

    def stored(self) -> Stored:
        return list(self._rows)

    def close(self) -> None:
        self._client.loop_stop()
        self.kill()


class InHub:
    """`mote hub`, with its store on disk."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(
            [
                MOTE, "hub", "--data", str(self._folder), "--mqtt-host", "127.0.0.1",
                "--mqtt-port", str(self.port), "--no-dashboard",
            ],
            stdout=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
        await listening(self.port)

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()

    def stored(self) -> Stored:
        with contextlib.closing(sqlite3.connect(self._folder / "readings.db")) as db:
            rows = db.execute(
                "SELECT s.device, r.time_ns, r.value FROM series s JOIN reading r "
                "ON r.series = s.id WHERE s.metric = 'number'"
            ).fetchall()
        return [(device, time_ns / 1e9, value) for device, time_ns, value in rows]

    def close(self) -> None:
        self.kill()
