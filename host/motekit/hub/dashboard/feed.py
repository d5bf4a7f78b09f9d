"""What the pages ask for, once a second: everything the first time, then only what changed.

An answer has a `token`; with it the page comes back. Times are in milliseconds. These addresses
belong to the pages and change with them.
"""

import asyncio
import math
import time
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from mote import contract

from motekit.hub import dropped
from motekit.hub.dashboard.errors import unknown
from motekit.hub.dashboard.live import LiveState
from motekit.hub.device_info import read_info
from motekit.hub.metrics import describe, rank
from motekit.hub.queries import Bucket, Device, Reading, StoreReader

LIVE_S = 300
# Readings of one series in a live chart.
POINTS_MAX = 2_000
# Lines that can be told apart in one chart, and that a browser draws every second.
LINES_MAX = 24
LIVE = "Live"
# Range -> (seconds, seconds a point).
RANGES = {
    LIVE: (LIVE_S, 0),
    "1 h": (3_600, 15),
    "24 h": (86_400, 300),
    "7 d": (604_800, 1_800),
    "30 d": (2_592_000, 7_200),
}
_INFO = (
    ("version", "Firmware", ""),
    ("board", "Board", ""),
    ("ip", "Address", ""),
    ("rssi", "Signal", " dBm"),
    ("heap", "Free memory", " B"),
    ("reset", "Reason for last start", ""),
    ("queue", "Readings still on the board", ""),
    ("lost", "Readings lost", ""),
    (contract.EVICTED, "Disconnected by another client with this ID", " times in a row"),
)
# Of a text that a board says of itself.
TEXT_MAX = 200
MS = 10**6
NS = 10**9


def add(application: FastAPI, store: StoreReader, live: LiveState) -> None:
    """Add the addresses that the pages ask."""

    @application.get("/api/pages/overview", include_in_schema=False)
    async def overview(after: str = "", metric: str = "") -> Response:
        """All devices with their newest readings; every reading of `metric`, for its chart."""
        return JSONResponse(_overview(live, live.since(after), metric))

    @application.get("/api/pages/chart", include_in_schema=False)
    async def chart(metric: str) -> Response:
        """The last minutes of `metric`, of the first devices that have it."""
        return JSONResponse(await _chart(store, live, metric))

    @application.get("/api/pages/device/{name}", include_in_schema=False)
    async def device(name: str, after: str = "", range: str = LIVE) -> Response:  # noqa: A002
        """One device with a chart a metric over `range`."""
        if name not in live.devices:
            raise unknown("device", name, sorted(live.devices))
        span = range if range in RANGES else LIVE
        return JSONResponse(await _device(store, live, name, live.since(after), span))


def _common(live: LiveState) -> dict[str, Any]:
    return {
        "token": live.token,
        "now": time.time_ns() // MS,
        "silent": live.hub_is_silent,
        "storage": live.storage,
        "dropped": dropped.sentence(live.dropped),
    }


def _overview(live: LiveState, moment: int | None, metric: str) -> dict[str, Any]:
    answer = _common(live)
    if moment is None:
        names = {name for series in live.latest.values() for name in series}
        return {
            **answer,
            "full": True,
            "devices": [_state(live.devices[name]) for name in sorted(live.devices)],
            "metrics": _metrics(names),
            "readings": [
                [device, name, latest.time_ns // MS, latest.value]
                for device, series in live.latest.items()
                for name, latest in series.items()
            ],
        }
    changed: set[tuple[str, str]] = set()
    readings: list[list[Any]] = []
    for reading in live.readings(moment):
        if reading.metric == metric:
            readings.append([reading.device, metric, reading.time_ns // MS, reading.value])
        else:
            changed.add((reading.device, reading.metric))
    for device, name in changed:
        latest = live.latest[device][name]
        readings.append([device, name, latest.time_ns // MS, latest.value])
    return {
        **answer,
        "devices": [_state(device) for device in live.changed_devices(moment)],
        "metrics": _metrics(live.new_metrics(moment)),
        "readings": readings,
    }


async def _chart(store: StoreReader, live: LiveState, metric: str) -> dict[str, Any]:
    since_ns = time.time_ns() - LIVE_S * NS
    having = sorted(device for device, series in live.latest.items() if metric in series)
    # Those with something to show come first.
    having.sort(key=lambda device: live.latest[device][metric].time_ns < since_ns)
    series = {}
    for device in having[:LINES_MAX]:
        found = await asyncio.to_thread(store.newest, device, metric, since_ns, POINTS_MAX)
        series[device] = _points(found)
    return {"series": series, "devices": len(having), "lines": LINES_MAX}


async def _device(
    store: StoreReader, live: LiveState, name: str, moment: int | None, span: str
) -> dict[str, Any]:
    seconds, step = RANGES[span]
    answer = {**_common(live), "seconds": seconds, "step": step, "full": moment is None}
    since_ns = time.time_ns() - seconds * NS
    latest = live.latest.get(name, {})
    if moment is None:
        # The first span is whole, so that it does not change from one answer to the next.
        since_ns = since_ns // (step * NS) * step * NS if step else since_ns
        starts = dict.fromkeys(latest, since_ns)
        news: list[Reading] = []
    else:
        news = [reading for reading in live.readings(moment) if reading.device == name]
        news = [reading for reading in reversed(news) if reading.time_ns >= since_ns]
        starts = {}
        for reading in news:
            known = starts.get(reading.metric, reading.time_ns)
            starts[reading.metric] = min(known, reading.time_ns)
    if moment is None or any(one.id == name for one in live.changed_devices(moment)):
        device = live.devices[name]
        answer |= {"device": _state(device), "info": _info(device)}
    series: dict[str, list[list[Any]]] = {}
    for metric, start_ns in starts.items():
        if step:
            begin = start_ns // (step * NS) * step * NS
            buckets = await asyncio.to_thread(store.history, name, metric, begin, step * NS)
            series[metric] = _buckets(buckets)
        elif moment is None:
            found = await asyncio.to_thread(store.newest, name, metric, start_ns, POINTS_MAX)
            series[metric] = _points(found)
        else:
            series[metric] = _points(one for one in news if one.metric == metric)
    return {
        **answer,
        "metrics": _metrics(latest if moment is None else starts),
        "latest": {m: [latest[m].time_ns // MS, latest[m].value] for m in starts},
        "series": series,
    }


def _state(device: Device) -> list[Any]:
    # Who only publishes readings has never said whether it is there.
    state = device.state if device.changed_ns else "no status"
    return [device.id, state, device.changed_ns // MS]


def _metrics(names: Iterable[str]) -> list[list[Any]]:
    """Name, label, unit, decimals and rank, in the order in which they are shown."""
    shown = ((name, describe(name)) for name in sorted(names, key=rank))
    return [[name, m.label, m.unit, m.decimals, rank(name)[0]] for name, m in shown]


def _points(readings: Iterable[Reading]) -> list[list[Any]]:
    return [[r.time_ns // MS, r.value] for r in readings if math.isfinite(r.value)]


def _buckets(buckets: Iterable[Bucket]) -> list[list[Any]]:
    return [
        [b.time_ns // MS, b.low, b.mean, b.high]
        for b in buckets
        if all(map(math.isfinite, (b.low, b.mean, b.high)))
    ]


def _info(device: Device) -> list[list[str]]:
    info = read_info(device.info)
    shown = ((label, info[key], unit) for key, label, unit in _INFO if key in info)
    return [[label, f"{str(value)[:TEXT_MAX]}{unit}"] for label, value, unit in shown]
