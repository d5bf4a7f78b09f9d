"""A dashboard for a test: a hub with a filled store, and requests to it."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from clients import with_hub
from motekit.hub import Hub
from motekit.hub.store import Contents, Reading, Store

# Nothing of the environment comes between a test and loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
WAIT_S = 120


def fill(data: Path, readings: Iterable[Reading] = (), infos: dict[str, str] | None = None) -> None:
    """Write a store, as an earlier hub left it."""
    store = Store(data / "readings.db")
    store.write(readings)
    for device, info in (infos or {}).items():
        store.commit(Contents(infos=[(device, info)]))
    store.close()


def with_dashboard(data: Path, story: Callable[[Hub], None], host: str = "127.0.0.1") -> None:
    """Run `story` in a thread while a hub with a dashboard runs on `data`."""
    hub = Hub(data, mqtt_port=0, http_host=host, http_port=0)
    with_hub(hub, lambda: story(hub))


def get(hub: Hub, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{hub.http_port}/{path}", headers=headers)
    try:
        with _OPENER.open(request, timeout=WAIT_S) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def get_json(hub: Hub, path: str) -> Any:
    """The JSON of an answer with status 200; strict, as a browser reads it."""
    status, _, body = get(hub, path)
    assert status == 200, body
    return strict_json(body)


def strict_json(body: bytes) -> Any:
    """JSON in UTF-8 without NaN and infinities."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(body.decode(), parse_constant=refuse)


def seconds_ago(seconds: float) -> int:
    """A time in nanoseconds."""
    return time.time_ns() - int(seconds * 1e9)
