"""From the broker to Redis: the newest of each metric, each device's state."""

import contextlib
import json
import logging
import threading
import time

import paho.mqtt.client as mqtt
from mote import contract
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from motekit import payloads
from motekit.payloads import PayloadError
from motekit.values.archive import Archive, ArchiveError
from motekit.values.shelf import News, Shelf, ShelfError

LOGGER = logging.getLogger(__name__)
# What comes within this time is put down at once: a thousand readings of a metric are one write.
PUT_EVERY_S = 0.2
# The database is asked for what was missed, at the start for all that it has in full (a week), then
# for the time since it last answered and a little more: readings need a while to get there.
COMPARE_EVERY_S = 30.0
_START_S = 7 * 86400.0
_ON_THE_WAY_S = 300.0
# So far may the times differ that Telegraf and this give to the same reading.
_STAMPS_S = 5.0
_RETRY_S = 1.0
_KEEPALIVE_S = 20
TOPICS = ("sensors/+/+", "backfill/+", "devices/+/status", "devices/+/info")


class Collector:
    """Hears everything at the broker and keeps `shelf` up to date.

    It never makes the broker wait: while Redis is away, the newest of each metric waits here, which
    needs no more memory than Redis itself. While this is away, the broker keeps nothing for it:
    what it missed comes from `archive`.
    """

    def __init__(
        self, shelf: Shelf, archive: Archive, host: str, user: str, password: str, port: int = 1883
    ) -> None:
        self._shelf = shelf
        self._archive = archive
        self._compared: float | None = None
        self._news: dict[str, News] = {}
        self._times: dict[str, dict[str, float]] = {}
        self._lock = threading.Lock()
        self._subscribed = False
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=user, clean_session=True)
        self._client.username_pw_set(user, password)
        self._client.reconnect_delay_set(1, 10)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_subscribe = self._heard
        self._client.on_message = self._message
        self._client.connect_async(host, port, _KEEPALIVE_S)

    @property
    def healthy(self) -> bool:
        """Whether it hears the broker."""
        return self._subscribed

    def run(self) -> None:
        """Work for ever."""
        self._times = self._known()
        self._client.loop_start()
        threading.Thread(target=self._compare, daemon=True).start()
        while True:
            time.sleep(PUT_EVERY_S)
            self._put()

    def _compare(self) -> None:
        """Ask the database now and then for what this did not hear."""
        while True:
            began = time.monotonic()
            missed = _START_S if self._compared is None else began - self._compared + _ON_THE_WAY_S
            try:
                for device, metric, value, measured in self._archive.last(missed):
                    with self._lock:
                        if measured > self._times.get(device, {}).get(metric, 0) + _STAMPS_S:
                            self._reading(device, metric, value, measured)
                self._compared = began
            except ArchiveError as error:
                LOGGER.warning("%s; trying again", error)
            time.sleep(COMPARE_EVERY_S)

    def _known(self) -> dict[str, dict[str, float]]:
        while True:
            try:
                return self._shelf.times()
            except ShelfError as error:
                LOGGER.warning("%s; trying again", error)
                time.sleep(_RETRY_S)

    def _put(self) -> None:
        with self._lock:
            news, self._news = self._news, {}
        while news:
            try:
                self._shelf.put(news)
                return
            except ShelfError as error:
                with self._lock:
                    waiting, self._news = self._news, {}
                LOGGER.warning("%s; news of %d devices wait", error, len(news | waiting))
                news = _merged(news, waiting)
                time.sleep(_RETRY_S)

    def _connected(self, client: mqtt.Client, _data: object, _flags: object, code: ReasonCode,
                   _properties: object) -> None:  # fmt: skip
        if code.is_failure:
            LOGGER.error("the broker refuses this login: %s", code)
            return
        client.subscribe([(topic, 1) for topic in TOPICS])

    def _disconnected(self, *_details: object) -> None:
        self._subscribed = False
        LOGGER.warning("the broker is away; trying again")

    def _heard(self, _client: object, _data: object, _mid: int, codes: list[ReasonCode],
               _properties: object) -> None:  # fmt: skip
        refused = [topic for topic, code in zip(TOPICS, codes, strict=True) if code.is_failure]
        if refused:
            LOGGER.error("the broker does not let this login read %s", ", ".join(refused))
        self._subscribed = not refused

    def _message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        level = message.topic.split("/")
        payload = bytes(message.payload)
        if not contract.is_device_id(level[1]):
            return
        with self._lock:
            if level[0] == "sensors":
                with contextlib.suppress(PayloadError):
                    value = payloads.parse_value(payload.strip())
                    if contract.is_metric(level[2]):
                        self._reading(level[1], level[2], value, time.time())
            elif level[0] == "backfill":
                for line in payload.splitlines():
                    with contextlib.suppress(PayloadError):
                        metric, time_ns, read = payloads.parse_backfill_line(
                            level[1], line, time.time_ns()
                        )
                        self._reading(level[1], metric, read, time_ns / 1e9)
            else:
                self._state(level[1], level[2], payload, message.retain)

    def _reading(self, device: str, metric: str, value: float, measured: float) -> None:
        known = self._times.setdefault(device, {})
        # What a device kept while it was offline may be older than what is here already.
        if measured < known.get(metric, 0):
            return
        known[metric] = measured
        news = self._news.setdefault(device, News())
        news.values[metric] = value
        news.times[metric] = measured

    def _state(self, device: str, leaf: str, payload: bytes, retained: bool) -> None:
        news = self._news.setdefault(device, News())
        if leaf == "status":
            news.state["online"] = int(payload.decode(errors="replace") == contract.ONLINE)
            # Of what the broker kept nobody knows since when it is so.
            if not retained:
                news.state["changed"] = time.time()
            return
        try:
            info = json.loads(payload)
        except ValueError:
            return
        if isinstance(info, dict):
            news.state["info"] = json.dumps(info)


def _merged(older: dict[str, News], newer: dict[str, News]) -> dict[str, News]:
    for device, one in newer.items():
        there = older.setdefault(device, News())
        there.values |= one.values
        there.times |= one.times
        there.state |= one.state
    return older
