"""What the hub tells its dashboard: one JSON object a line, over a pipe.

A dashboard that does not read never slows the hub: when the pipe is full, or more comes than is
kept, what waits is dropped, and the next line asks the dashboard to read the store again.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from motekit.hub.queries import Device, Reading

# So many are encoded in some milliseconds.
PENDING_MAX = 5_000


@dataclass(frozen=True)
class Update:
    """What happened since the last line.

    `storage` is a sentence for people while readings cannot be stored, else empty; `dropped` counts
    the messages that clients did not get since the hub started, by reason. With `resync` something
    is missing: the store has it.
    """

    readings: list[Reading] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    storage: str = ""
    dropped: dict[str, int] = field(default_factory=dict)
    resync: bool = False

    def encode(self) -> bytes:
        """The line, with its end."""
        readings = [(r.device, r.metric, r.time_ns, r.value) for r in self.readings]
        devices = [(d.id, d.online, d.changed_ns, d.info) for d in self.devices]
        content = {"storage": self.storage, "dropped": self.dropped, "resync": self.resync}
        text = json.dumps({"readings": readings, "devices": devices, **content})
        return text.encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> "Update":
        """The update in a line."""
        content: dict[str, Any] = json.loads(line)
        return cls(
            [Reading(*entry) for entry in content["readings"]],
            [Device(*entry) for entry in content["devices"]],
            content["storage"],
            content["dropped"],
            content["resync"],
        )


class Pending:
    """What the next line will say; bounded."""

    def __init__(self) -> None:
        self._readings: list[Reading] = []
        self._devices: dict[str, Device] = {}
        self._resync = False
        self.storage = ""
        self.dropped: dict[str, int] = {}

    def add_readings(self, readings: Iterable[Reading]) -> None:
        """Add readings that are in the store."""
        if not self._resync:
            self._readings.extend(readings)
            if len(self._readings) > PENDING_MAX:
                self.drop()

    def add_device(self, device: Device) -> None:
        """Add a device whose status or info changed."""
        if not self._resync:
            self._devices[device.id] = device
            if len(self._devices) > PENDING_MAX:
                self.drop()

    def drop(self) -> None:
        """Forget what waits; the next line asks to read the store again."""
        self._readings.clear()
        self._devices.clear()
        self._resync = True

    def take(self) -> Update:
        """The update to send now."""
        update = Update(
            self._readings,
            list(self._devices.values()),
            self.storage,
            self.dropped,
            resync=self._resync,
        )
        self._readings, self._devices, self._resync = [], {}, False
        return update
