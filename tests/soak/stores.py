"""Where readings end up in a campaign: behind a mosquitto, or in a hub; both can be killed."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter as Tally
from collections import defaultdict
from pathlib import Path
from typing import Protocol

import paho.mqtt.client as mqtt
from motesim.network.ports import free_port
from paho.mqtt.enums import CallbackAPIVersion

MOTE = Path(sys.executable).with_name("mote")
START_S = 120
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
# Of each device: (Unix time in ns, value). As in InfluxDB, one of the same time is the same row.
Rows = dict[str, set[tuple[int, float]]]


class Store(Protocol):
    """A broker, and what was ever published to it."""

    port: int
    wire: "Wire"

    async def start(self) -> None: ...

    def kill(self) -> None:
        """`kill -9`."""

    def rows(self) -> Rows: ...

    def close(self) -> None: ...


class Wire:
    """A subscriber with a persistent session, as Telegraf is one: all that it ever heard."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._begun = False
        self.rows: Rows = defaultdict(set)
        # How often each (device, value) came.
        self.heard: Tally[tuple[str, float]] = Tally()
        # What came under the last packet identifiers, to know it again when it is sent once more.
        self._came: dict[int, tuple[str, bytes]] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "store", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda c, *_: c.subscribe([("sensors/#", 1), ("backfill/+", 1)])
        self._client.on_message = self._heard

    async def connected(self) -> None:
        """The broker is there, and knows this subscriber. Raises TimeoutError."""
        async with asyncio.timeout(START_S):
            while not self._client.is_connected():
                if not self._begun:
                    with contextlib.suppress(OSError):
                        self._client.connect("127.0.0.1", self._port)
                        self._client.loop_start()
                        self._begun = True
                await asyncio.sleep(0.05)

    def close(self) -> None:
        self._client.loop_stop()

    def _heard(self, client: mqtt.Client, data: object, message: mqtt.MQTTMessage) -> None:
        text = message.payload.decode()
        level = message.topic.split("/")
        came = message.topic, message.payload
        again = message.dup and self._came.get(message.mid) == came
        self._came[message.mid] = came
        if level[0] == "sensors":
            if again:
                # A killed broker has forgotten that it was acknowledged: it is no new reading.
                self.heard[level[1], float(text)] += 1
            else:
                self._row(level[1], time.time_ns(), float(text))
            return
        for line in text.split("\n"):
            _, field, ns = line.split(" ")
            self._row(level[1], int(ns), float(field.partition("=")[2]))

    def _row(self, device: str, time_ns: int, value: float) -> None:
        self.heard[device, value] += 1
        self.rows[device].add((time_ns, value))


class BehindMosquitto:
    """A table in memory."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.wire = Wire(self.port)
        folder.mkdir()
        self._file = folder / "mosquitto.conf"
        self._file.write_text(
            f"{MOSQUITTO}\nlistener {self.port} 127.0.0.1\npersistence_location {folder}/\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._file)], stderr=subprocess.DEVNULL
        )
        await self.wire.connected()

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()

    def rows(self) -> Rows:
        return {device: set(rows) for device, rows in list(self.wire.rows.items())}

    def close(self) -> None:
        self.wire.close()
        self.kill()


class InHub:
    """`mote hub`, with its store on disk."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.wire = Wire(self.port)
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
        await self.wire.connected()

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()

    def rows(self) -> Rows:
        with contextlib.closing(sqlite3.connect(self._folder / "readings.db")) as db:
            found = db.execute(
                "SELECT s.device, r.time_ns, r.value FROM series s JOIN reading r "
                "ON r.series = s.id WHERE s.metric = 'number'"
            ).fetchall()
        rows: Rows = defaultdict(set)
        for device, time_ns, value in found:
            rows[device].add((time_ns, value))
        return rows

    def close(self) -> None:
        self.wire.close()
        self.kill()
