"""From the broker to Redis: the newest of each metric, each device's state."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import TypeVar

import paho.mqtt.client as mqtt
from mote import contract
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from motekit import payloads
from motekit.limited_log import LimitedLog
from motekit.payloads import PayloadError
from motekit.supervision import guarded, keep_in_thread
from motekit.values.archive import Archive, ArchiveError
from motekit.values.shelf import News, Shelf, ShelfError

LOGGER = logging.getLogger(__name__)
_T = TypeVar("_T")
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
# A board has a few; more are refused, or one device could fill Redis for all.
METRICS_MAX = 256
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
        # When the newest reading of each metric was made, at most now: a time in the future would
        # keep what comes after it from being the newest.
        self._times: dict[str, dict[str, float]] = {}
        self._online: dict[str, bool] = {}
        self._lock = Lock()
        self._subscribed = False
        self._log = LimitedLog(LOGGER)
        self.refused = 0
        # The broker makes up a client id: with a fixed one, others could disconnect this.
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="", clean_session=True)
        self._client.username_pw_set(user, password)
        self._client.reconnect_delay_set(1, 10)
        # An exception in one of these would end the client's thread, and nobody would know.
        self._client.on_connect = guarded("connecting to the broker", self._connected)
        self._client.on_disconnect = guarded("losing the broker", self._disconnected)
        self._client.on_subscribe = guarded("subscribing", self._heard)
        self._client.on_message = guarded("a message of the broker", self._message)
        self._client.connect_async(host, port, _KEEPALIVE_S)

    @property
    def healthy(self) -> bool:
        """Whether it hears the broker."""
        return self._subscribed

    def run(self) -> None:
        """Run until the process ends."""
        now = time.time()
        self._times = {
            device: {metric: min(measured, now) for metric, measured in one.items()}
            for device, one in self._asked(self._shelf.times).items()
        }
        self._online = self._asked(self._shelf.online)
        self._client.loop_start()
        keep_in_thread("comparing with the database", self._compare)
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
                    with self._lock, suppress(PayloadError):
                        if measured > self._times.get(device, {}).get(metric, 0) + _STAMPS_S:
                            self._reading(device, metric, value, measured)
                self._compared = began
            except ArchiveError as error:
                LOGGER.warning("%s; trying again", error)
            time.sleep(COMPARE_EVERY_S)

    def _asked(self, question: Callable[[], _T]) -> _T:
        """Return what Redis answers, as soon as it does."""
        while True:
            try:
                return question()
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
        with self._lock:
            if level[0] == "backfill":
                for line in payload.splitlines():
                    self._checked(message.topic, line, self._backfill, level[1], line)
            elif level[0] == "sensors":
                self._checked(message.topic, payload, self._live, level[1], level[2], payload)
            else:
                changed = None if message.retain else time.time()
                state = self._status if level[2] == "status" else self._info
                self._checked(message.topic, payload, state, level[1], payload, changed)

    def _checked(
        self, topic: str, payload: bytes, take: Callable[..., None], device: str, *values: object
    ) -> None:
        """Refuse what breaks the contract, alone: count it and log it at a limited rate."""
        try:
            if not contract.is_device_id(device):
                raise PayloadError("not the topic of a device")
            take(device, *values)
        except PayloadError as error:
            self.refused += 1
            text = "Payload refused on %.120r: %s: %.60r"
            self._log.log(logging.WARNING, "refused", text, topic, error, payload[:60])

    def _live(self, device: str, metric: str, payload: bytes) -> None:
        value = payloads.parse_value(payload.strip())
        if not contract.is_metric(metric):
            raise PayloadError("not the topic of a metric")
        self._reading(device, metric, value, time.time())

    def _backfill(self, device: str, line: bytes) -> None:
        metric, time_ns, value = payloads.parse_backfill_line(device, line, time.time_ns())
        self._reading(device, metric, value, time_ns / 1e9)

    def _reading(self, device: str, metric: str, value: float, measured: float) -> None:
        known = self._times.setdefault(device, {})
        # What a device kept while it was offline may be older than what is here already.
        if measured < known.get(metric, 0):
            return
        if metric not in known and len(known) >= METRICS_MAX:
            raise PayloadError(f"more than {METRICS_MAX} metrics of one device")
        known[metric] = min(measured, time.time())
        news = self._news.setdefault(device, News())
        news.values[metric] = value
        news.times[metric] = measured

    def _status(self, device: str, payload: bytes, changed: float | None) -> None:
        """Take a status; `changed` is None for what the broker kept: nobody knows since when."""
        if len(payload) > contract.ID_MAX or not payload.isalpha():
            raise PayloadError("not a status")
        online = payload == contract.ONLINE.encode()
        news = self._news.setdefault(device, News())
        news.state["online"] = int(online)
        # Boards repeat their status: it is so since they said it first.
        if changed is not None and self._online.get(device) != online:
            news.state["changed"] = changed
        self._online[device] = online

    def _info(self, device: str, payload: bytes, _changed: float | None) -> None:
        # An empty payload takes a retained message away and says nothing.
        if payload:
            info = payloads.to_json(payloads.parse_json_object(payload))
            self._news.setdefault(device, News()).state["info"] = info


def _merged(older: dict[str, News], newer: dict[str, News]) -> dict[str, News]:
    for device, one in newer.items():
        there = older.setdefault(device, News())
        there.values |= one.values
        there.times |= one.times
        there.state |= one.state
    return older
