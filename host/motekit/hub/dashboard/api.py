"""What programs ask the hub for, as JSON; docs/reference/hub-api.md describes it."""

import asyncio
import json
import math
import re
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse

from motekit.hub.dashboard.errors import ApiError, quoted, unknown
from motekit.hub.dashboard.live import LiveState
from motekit.hub.device_info import read_info
from motekit.hub.queries import TIME_MAX_NS, Reading, StoreReader

# Rows that are read at once.
PAGE = 5_000
LIMIT_MAX = 100_000
DEFAULT_SPAN_NS = 3_600 * 10**9
NS = 10**9
_SECONDS = re.compile(r"[0-9]{1,10}(\.[0-9]{1,30})?")


def add(application: FastAPI, store: StoreReader, live: LiveState) -> None:
    """Add `/api/hub`, `/api/devices` and `/api/readings`."""

    @application.get("/api/hub", summary="The hub itself")
    async def hub(request: Request) -> Response:
        """Who asks, with which role, and how the hub is."""
        login = request.scope["mote.login"]
        return JSONResponse(
            {
                "user": login.name or None,
                "role": login.role,
                "answers": not live.hub_is_silent,
                "storage": live.storage,
                "dropped": live.dropped,
            }
        )

    @application.get("/api/devices", summary="All devices")
    async def devices() -> Response:
        """Every device with its state, what it says of itself, and its newest readings."""
        known = await asyncio.to_thread(store.devices)
        latest: dict[str, dict[str, Any]] = {}
        for reading in await asyncio.to_thread(store.latest):
            latest.setdefault(reading.device, {})[reading.metric] = _row(reading)
        # Nobody knows who is online while the hub does not answer.
        silent = live.hub_is_silent
        return JSONResponse(
            [
                {
                    "id": device.id,
                    "online": None if silent else device.online,
                    "changed_ns": device.changed_ns,
                    "info": read_info(device.info),
                    "readings": latest.get(device.id, {}),
                }
                for device in known
            ]
        )

    @application.get("/api/readings", summary="Readings of one series")
    async def readings(
        device: Annotated[str, Query(description="Id of the device")],
        metric: Annotated[str, Query(description="Name of the metric")],
        since: Annotated[
            str | None, Query(description="Unix time in seconds. Default: an hour ago")
        ] = None,
        until: Annotated[
            str | None, Query(description="Unix time in seconds, itself excluded")
        ] = None,
        limit: Annotated[
            str | None, Query(description=f"Rows in an answer, 1 to {LIMIT_MAX}. Default: all")
        ] = None,
    ) -> Response:
        """Readings from `since` until before `until`, oldest first.

        With `limit`, the header `Link` has the address of the next page while there is one.
        """
        default_ns = time.time_ns() - DEFAULT_SPAN_NS
        first_ns = default_ns if since is None else _time_ns("since", since)
        end_ns = TIME_MAX_NS if until is None else _time_ns("until", until)
        if since is not None and until is not None and first_ns > end_ns:
            raise ApiError(422, f"since {quoted(since)} is later than until {quoted(until)}")
        rows = None if limit is None else _limit(limit)
        await _check(store, device, metric)
        if rows is None:
            every = _every(store, device, metric, first_ns, end_ns)
            return StreamingResponse(every, media_type="application/json")
        found = await asyncio.to_thread(
            store.readings, device, metric, first_ns, rows + 1, until_ns=end_ns
        )
        headers = {}
        if len(found) > rows:
            rest = {"since": _seconds(found[rows].time_ns), "limit": rows}
            ends = {} if until is None else {"until": until}
            query = urlencode({"device": device, "metric": metric, **rest, **ends})
            headers["Link"] = f'</api/readings?{query}>; rel="next"'
        return JSONResponse([_row(reading) for reading in found[:rows]], headers=headers)


def add_authority(application: FastAPI, ca: str) -> None:
    """Add `/ca.crt`, the certificate `ca` that boards and browsers need to trust this hub."""

    @application.get("/ca.crt", include_in_schema=False)
    async def authority() -> Response:
        if not ca:
            raise ApiError(404, "This hub has no certificate authority of its own")
        return FileResponse(ca, media_type="application/x-x509-ca-cert", filename="mote-ca.crt")


async def _check(store: StoreReader, device: str, metric: str) -> None:
    """Raises ApiError for a device or a metric that nothing is known of."""
    metrics = await asyncio.to_thread(store.metrics, device)
    if metric in metrics:
        return
    if not metrics:
        devices = [one.id for one in await asyncio.to_thread(store.devices)]
        if device not in devices:
            raise unknown("device", device, devices)
    raise unknown(f"metric of {device}", metric, metrics)


async def _every(
    store: StoreReader, device: str, metric: str, first_ns: int, end_ns: int
) -> AsyncIterator[str]:
    """A JSON array of all readings, read page by page: memory does not grow with it."""
    between = "["
    while True:
        page = await asyncio.to_thread(
            store.readings, device, metric, first_ns, PAGE, until_ns=end_ns
        )
        if page:
            yield between + json.dumps([_row(reading) for reading in page])[1:-1]
            between = ","
            first_ns = page[-1].time_ns + 1
        if len(page) < PAGE:
            break
    yield "[]" if between == "[" else "]"


def _row(reading: Reading) -> dict[str, Any]:
    # JSON has no NaN: what an older version stored of it is null.
    value = reading.value if math.isfinite(reading.value) else None
    return {"time_ns": reading.time_ns, "value": value}


def _time_ns(name: str, text: str) -> int:
    """Unix time in seconds, exact to the nanosecond. Raises ApiError."""
    seconds, _, fraction = text.partition(".")
    if _SECONDS.fullmatch(text):
        time_ns = int(seconds) * NS + int(fraction[:9].ljust(9, "0"))
        if time_ns <= TIME_MAX_NS:
            return time_ns
    raise ApiError(
        422,
        f"{name} {quoted(text)} is no Unix time in seconds from 0 to {TIME_MAX_NS // NS}, "
        f"such as {int(time.time())}",
    )


def _seconds(time_ns: int) -> str:
    return f"{time_ns // NS}.{time_ns % NS:09}"


def _limit(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= LIMIT_MAX:
        return int(text)
    raise ApiError(422, f"limit {quoted(text)} is no number from 1 to {LIMIT_MAX}")
