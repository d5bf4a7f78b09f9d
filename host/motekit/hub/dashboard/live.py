"""What is going on now, as the pages show it: kept from the hub's updates, begun from the store."""

import math
import secrets
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from motekit.hub.dashboard.stream import Update
from motekit.hub.queries import Device, Reading

# Readings that pages may ask for; a page that was away longer begins anew.
RECENT_MAX = 30_000
# The hub sends an update several times a second: without one for so long, it hangs.
SILENT_S = 10.0


@dataclass(frozen=True)
class Latest:
    """The newest reading of a series."""

    time_ns: int
    value: float


class LiveState:
    """Devices, the newest readings, and what changed since a given moment.

    A moment is a number that grows with every change; `begin` makes all earlier ones worthless.
    """

    def __init__(self) -> None:
        self.devices: dict[str, Device] = {}
        self.latest: dict[str, dict[str, Latest]] = {}
        self.storage = ""
        self.dropped: dict[str, int] = {}
        self.moment = 0
        self._name = ""
        self._changed: dict[str, int] = {}
        self._metrics: dict[str, int] = {}
        self._recent: deque[tuple[int, Reading]] = deque(maxlen=RECENT_MAX)
        self._heard = time.monotonic()

    def begin(self, devices: list[Device], latest: list[Reading]) -> None:
        """Start from what the store says."""
        self._name = secrets.token_hex(4)
        self.devices = {device.id: device for device in devices}
        self.latest = {}
        self._changed = dict.fromkeys(self.devices, 0)
        self._metrics = {}
        self._recent.clear()
        for reading in latest:
            self._keep(reading)

    def apply(self, update: Update) -> None:
        """Take in what the hub said."""
        self._heard = time.monotonic()
        self.storage = update.storage
        self.dropped = update.dropped
        for device in update.devices:
            self._change(device)
        for reading in update.readings:
            self.moment += 1
            self._keep(reading)
            self._recent.append((self.moment, reading))

    @property
    def hub_is_silent(self) -> bool:
        """Whether the hub stopped sending: what is known may be wrong by now."""
        return time.monotonic() - self._heard > SILENT_S

    @property
    def token(self) -> str:
        """The present moment, for a page to come back with."""
        return f"{self._name}.{self.moment}"

    def since(self, token: str) -> int | None:
        """The moment of `token`, or None if what changed since then is no longer known."""
        name, _, number = token.partition(".")
        if name != self._name or not number.isascii() or not number.isdigit():
            return None
        moment = int(number) if len(number) < 20 else -1
        oldest = self._recent[0][0] if self._recent else self.moment + 1
        full = len(self._recent) == RECENT_MAX
        known = 0 <= moment <= self.moment and not (full and moment < oldest - 1)
        return moment if known else None

    def changed_devices(self, moment: int) -> list[Device]:
        """Devices whose status or info changed after `moment`."""
        return [self.devices[name] for name, at in self._changed.items() if at > moment]

    def new_metrics(self, moment: int) -> list[str]:
        """Metrics that no device had up to `moment`."""
        return [name for name, at in self._metrics.items() if at > moment]

    def readings(self, moment: int) -> Iterator[Reading]:
        """Readings that came after `moment`, newest first."""
        for at, reading in reversed(self._recent):
            if at <= moment:
                return
            yield reading

    def _change(self, device: Device) -> None:
        self.moment += 1
        self.devices[device.id] = device
        self._changed[device.id] = self.moment

    def _keep(self, reading: Reading) -> None:
        if not math.isfinite(reading.value):
            # What an older version stored of them is no reading.
            return
        if reading.device not in self.devices:
            self._change(Device(reading.device, False, 0, "{}"))
        self._metrics.setdefault(reading.metric, self.moment)
        series = self.latest.setdefault(reading.device, {})
        known = series.get(reading.metric)
        # A clock may be up to an hour ahead: what it dates is not the newest before its time comes.
        now_ns = time.time_ns()
        is_newer = known is not None and known.time_ns <= reading.time_ns <= now_ns
        if known is None or is_newer or known.time_ns > now_ns:
            series[reading.metric] = Latest(reading.time_ns, reading.value)
