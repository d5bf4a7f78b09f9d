"""One device of the fleet: what it measures, what it keeps while it is cut off, what it says."""

import json
import random
from array import array
from collections import deque
from typing import NamedTuple

from mote import __version__, contract

from motekit.fleet import wire
from motekit.fleet.curves import KINDS, Place, Sky, measure
from motekit.fleet.tally import Tally

# Contract 2: a day of five metrics every 10 s.
STORE = 5 * 8640
BACKFILL_LINES = 20
# A numbered reading has its number in the digits behind these.
DECIMALS = 3
NUMBER_DIGITS = 6
NUMBERS: int = 10**NUMBER_DIGITS
_NUMBERED = f"%.{DECIMALS}f%0{NUMBER_DIGITS}d".encode()

FAULTS = ("stuck", "noisy", "spikes", "hangs")
_NOISY = 25
_SPIKE_ODDS = 0.05
_HANG_ODDS = 0.01
_HANG_ROUNDS = 30
# What a DS18B20 says when it was not ready.
_SPIKE = 85.0


class Topic:
    """Where messages go: encoded once, with what follows from it.

    `line` begins a reading's line in backfill, and is empty for what is no reading.
    """

    __slots__ = ("acknowledged", "device", "field", "flags", "line")

    def __init__(
        self, device: "Device", name: str, qos: int = 1, retain: bool = False, metric: str = ""
    ) -> None:
        self.device = device
        self.field = wire.text(name)
        self.flags = wire.publish_flags(qos, retain)
        self.acknowledged = qos > 0
        self.line = f"sensors,device={device.id},metric={metric} value=".encode() if metric else b""


class Message(NamedTuple):
    """A payload for a topic; `made` is Unix time in seconds, `readings` how many it carries."""

    topic: Topic
    payload: bytes
    made: float
    readings: int = 0


class Device:
    """A device with the sensors of its kind in a place of its own, both picked by `seed`.

    A device that is `present` measures once it has logged in, also while it is `cut_off`.
    With `numbered` every value carries its number, from 0, in the six digits behind the third
    decimal, and `rounds` has the time of each. A reading that cannot be sent is kept.
    """

    def __init__(
        self,
        device_id: str,
        seed: str,
        tally: Tally,
        time_s: float,
        qos: int = 1,
        faulty: float = 0,
        numbered: bool = False,
    ) -> None:
        self.id = device_id
        self.chance = random.Random(f"{seed}/{device_id}")
        self.kind = self.chance.choice(list(KINDS))
        self.metrics = KINDS[self.kind]
        self.place = Place.pick(self.chance, time_s)
        self.fault = self.chance.choice(FAULTS) if self.chance.random() < faulty else ""
        self.present = self.measuring = False
        self.cut_off = False
        self.numbered = numbered
        self.rounds = array("d")
        self.store: deque[Message] = deque()
        self._tally = tally
        self._ill = self.chance.randrange(len(self.metrics))
        self._stuck: float | None = None
        self._hangs = 0
        self._heap = self.chance.randrange(90_000, 150_000)
        self._live = [
            Topic(self, contract.sensor_topic(device_id, metric), qos, metric=metric)
            for metric in self.metrics
        ]
        self._status = Topic(self, contract.device_topic(device_id, "status"), retain=True)
        self._info = Topic(self, contract.device_topic(device_id, "info"), retain=True)
        self._backfill = Topic(self, contract.backfill_topic(device_id))

    def measure(self, made: float) -> list[Message]:
        """A reading of every metric; none while the sensors hang."""
        if self.fault == "hangs" and self._hang():
            return []
        sky = Sky(made)
        messages = []
        for index, topic in enumerate(self._live):
            value = self._value(index, sky)
            payload = (
                _NUMBERED % (value, len(self.rounds) % NUMBERS)
                if self.numbered
                else contract.format_value(value).encode()
            )
            messages.append(Message(topic, payload, made, 1))
        if self.numbered:
            self.rounds.append(made)
        self._tally.taken += len(messages)
        return messages

    def keep(self, message: Message) -> None:
        """Store a reading until there is a connection; the oldest makes room."""
        if len(self.store) >= STORE:
            self.store.popleft()
            self._tally.dropped += 1
        self.store.append(message)
        self._tally.kept += 1

    def backfill(self) -> Message:
        """The oldest kept readings as one message; they are in it and no longer in the store."""
        kept = [self.store.popleft() for _ in range(min(BACKFILL_LINES, len(self.store)))]
        lines = [b"%b%b %d" % (m.topic.line, m.payload, int(m.made * 1e9)) for m in kept]
        return Message(self._backfill, b"\n".join(lines), kept[0].made, len(kept))

    def hello(self, made: float, address: str) -> list[Message]:
        """What a device says when it has logged in; from now on it measures."""
        self._tally.joined += not self.measuring
        self.measuring = True
        info = {
            "version": __version__,
            "board": "fleet",
            "profile": self.kind,
            "ip": address,
            "rssi": round(self.place.signal),
            "heap": self._heap,
            "reset": "power",
            "sensors": list(self.metrics),
            "queue": len(self.store),
        }
        return [
            Message(self._status, contract.ONLINE.encode(), made),
            Message(self._info, json.dumps(info).encode(), made),
        ]

    def goodbye(self, made: float) -> Message:
        return Message(self._status, contract.OFFLINE.encode(), made)

    def _value(self, index: int, sky: Sky) -> float:
        metric = self.metrics[index]
        if not self.fault or index != self._ill:
            return measure(metric, self.place, sky, self.chance)
        if self.fault == "spikes" and self.chance.random() < _SPIKE_ODDS:
            return _SPIKE
        value = measure(
            metric, self.place, sky, self.chance, _NOISY if self.fault == "noisy" else 1
        )
        if self.fault == "stuck":
            value = self._stuck = value if self._stuck is None else self._stuck
        return value

    def _hang(self) -> bool:
        if self._hangs == 0 and self.chance.random() < _HANG_ODDS:
            self._hangs = _HANG_ROUNDS
        self._hangs = max(self._hangs - 1, 0)
        return self._hangs > 0
