"""Counts what arrived: every reading has its number in its last digits, so each can be missed."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from motekit.fleet.device import DECIMALS, NUMBER_DIGITS, NUMBERS, Device

# A pipeline that brought nothing new for so long brings nothing more.
SETTLE_S = 15.0
LOOK_S = 1.0
_SHIFT = 10.0 ** (DECIMALS + NUMBER_DIGITS)


class VerifyError(Exception):
    """What arrived cannot be asked for; the text says what to do."""


@dataclass(frozen=True)
class Stored:
    """A reading as it was stored; `time_s` is Unix time."""

    device: str
    metric: str
    time_s: float
    value: float


class Source(Protocol):
    """Where readings end up."""

    def check(self) -> None:
        """Raises VerifyError when nothing can be asked here; called before the run."""

    def readings(self, devices: list[Device], since_s: float) -> Iterator[Stored]:
        """All readings of these devices with a time from `since_s` on. Raises VerifyError."""


@dataclass
class Verdict:
    """Sums over readings: `late` ones have a time that is further than allowed from when they
    were made, `strange` ones were never made. `worst` names the devices that lost most.
    """

    taken: int = 0
    arrived: int = 0
    lost: int = 0
    duplicated: int = 0
    late: int = 0
    strange: int = 0
    latest_s: float = 0.0
    worst: list[tuple[str, int]] = field(default_factory=list)


def number_of(value: float) -> int:
    """The number in the last digits of a value."""
    return round(abs(value) * _SHIFT) % NUMBERS


def judge(devices: Iterable[Device], stored: Iterable[Stored], late_s: float) -> Verdict:
    """Compare what was taken with what was stored. Raises VerifyError for too long a run."""
    verdict = Verdict()
    known = {device.id: device for device in devices}
    seen: dict[tuple[str, str], bytearray] = {}
    for device in known.values():
        if len(device.rounds) > NUMBERS:
            raise VerifyError(
                f"{device.id} took {len(device.rounds)} readings of a metric, and {NUMBERS} can be "
                "told apart: use more devices or fewer seconds"
            )
        for metric in device.metrics:
            seen[device.id, metric] = bytearray(len(device.rounds))
    for one in stored:
        marks = seen.get((one.device, one.metric))
        number = number_of(one.value)
        if marks is None or number >= len(marks):
            verdict.strange += 1
            continue
        verdict.duplicated += marks[number]
        verdict.arrived += not marks[number]
        marks[number] = 1
        delay_s = one.time_s - known[one.device].rounds[number]
        verdict.latest_s = max(verdict.latest_s, delay_s)
        verdict.late += abs(delay_s) > late_s
    lost: dict[str, int] = {}
    for (device_id, _), marks in seen.items():
        lost[device_id] = lost.get(device_id, 0) + marks.count(0)
    verdict.lost = sum(lost.values())
    verdict.taken = verdict.arrived + verdict.lost
    ranked = sorted(lost.items(), key=lambda item: -item[1])
    verdict.worst = [item for item in ranked[:5] if item[1]]
    return verdict


def wait_and_judge(
    devices: list[Device],
    source: Source,
    since_s: float,
    late_s: float,
    progress: Callable[[Verdict], None] = lambda verdict: None,
) -> Verdict:
    """Judge again until all has arrived, nothing more does, or Ctrl-C. Raises VerifyError."""
    best, since = -1, time.monotonic()
    while True:
        began = time.monotonic()
        verdict = judge(devices, source.readings(devices, since_s), late_s)
        progress(verdict)
        if verdict.arrived > best:
            best, since = verdict.arrived, time.monotonic()
        if not verdict.lost or time.monotonic() - since > SETTLE_S:
            return verdict
        try:
            # A large store is not asked without a pause.
            time.sleep(max(LOOK_S, time.monotonic() - began))
        except KeyboardInterrupt:
            return verdict
