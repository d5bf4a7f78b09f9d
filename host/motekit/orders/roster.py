"""Who is there: what boards say of themselves over MQTT, kept up to date."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mote import contract

from motekit import payloads
from motekit.orders.conversation import Conversation, Message

EVERY = "+"
# A server sends what it retained at once; this long without anything more, and that was all.
_QUIET_S = 0.4
_ANSWER_S = 5.0


@dataclass
class Device:
    """What is known of a board. Times are Unix times in seconds, 0 when they are not known."""

    id: str
    # None as long as the server has not said it.
    online: bool | None = None
    # When it was heard, or told by the hub, that it came or went.
    changed: float = 0
    info: dict[str, Any] = field(default_factory=dict)
    # Metric -> (value, time).
    readings: dict[str, tuple[float, float]] = field(default_factory=dict)
    # How often it has come online, as far as it was heard.
    arrivals: int = 0

    @property
    def safe_mode(self) -> bool:
        """Whether it crashed too often to measure, and waits to be mended (UPDATES.md)."""
        return bool(self.online and self.info.get(contract.SAFE_MODE))

    @property
    def hint(self) -> str:
        """What a person should do about it; empty when there is nothing."""
        if not self.info.get(contract.EVICTED):
            return ""
        return (
            f"{self.id}: another client with the same id evicts it again and again: give one of "
            "the two another id"
        )

    @property
    def version(self) -> str:
        """Of its firmware; empty when it has not told."""
        return str(self.info.get("version", ""))


class Roster:
    """The boards that `watch` was asked for, as they come and go.

    `gone_since` tells of boards that are offline since when (Unix time), if somebody knows: the
    server does not.
    """

    def __init__(self, talk: Conversation, gone_since: Mapping[str, float] | None = None) -> None:
        self.devices: dict[str, Device] = {}
        self._talk = talk
        self._gone_since = gone_since or {}
        self._news = asyncio.Event()
        self._news_at = 0.0

    async def watch(self, device: str = EVERY, *, readings: bool = False) -> bool:
        """Hear of `device` from now on; returns when what the server retained is here.

        False when the server does not let this login hear of it.
        """
        patterns = [contract.device_topic(device, leaf) for leaf in ("status", "info")]
        if readings:
            patterns.append(contract.sensor_topic(device, "+"))
        for pattern in patterns:
            self._talk.hear(pattern, self._heard)
        allowed = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_S):
                allowed = all([await self._talk.may_hear(pattern) for pattern in patterns])
                self._news_at = time.monotonic()
                known = device in self.devices
                while (quiet := time.monotonic() - self._news_at) < _QUIET_S and not known:
                    await self._wait(_QUIET_S - quiet)
                    one = self.devices.get(device)
                    known = bool(one and one.online is not None and one.info)
        return allowed

    def device(self, name: str) -> Device:
        """What is known of `name`, which may be nothing."""
        return self.devices.get(name) or Device(name)

    def online(self) -> list[str]:
        """The boards that are online, by name."""
        return sorted(name for name, one in self.devices.items() if one.online)

    async def until(self, timeout: float) -> AsyncIterator[None]:
        """One turn now and one for each news, for `timeout` seconds."""
        end = time.monotonic() + timeout
        while True:
            self._news.clear()
            yield
            rest = end - time.monotonic()
            if rest <= 0:
                return
            await self._wait(rest)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), max(seconds, 0))

    def _heard(self, message: Message) -> None:
        room, name, leaf = message.topic.split("/")
        # An empty payload takes a retained message away: there is no such board any more.
        if not contract.is_device_id(name) or not message.payload:
            return
        device = self.devices.setdefault(name, Device(name))
        if room == "sensors":
            with contextlib.suppress(ValueError):
                device.readings[leaf] = payloads.parse_value(bytes(message.payload)), time.time()
        elif leaf == "status":
            self._status(device, message)
        else:
            with contextlib.suppress(ValueError):
                device.info = payloads.parse_json_object(bytes(message.payload))
        self._news_at = time.monotonic()
        self._news.set()

    def _status(self, device: Device, message: Message) -> None:
        online = message.payload == contract.ONLINE.encode()
        if message.retain:
            device.changed = 0 if online else self._gone_since.get(device.id, 0)
        elif online != device.online:
            # A board repeats its status from time to time.
            device.changed = time.time()
            device.arrivals += online
        device.online = online
