"""What lies where in Redis. Only this file and Grafana's queries know the names of the keys.

`devices` is the set of all ids. Of each device there are three hashes: `device:<id>` (`online` 1 or
0, `changed` in Unix seconds, `info` as JSON), `values:<id>` (metric → value) and `times:<id>`
(metric → Unix seconds).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import redis

from motekit import payloads
from motekit.payloads import PayloadError

DEVICES = "devices"
# An answer that takes longer is none; the next attempt comes soon.
_TIMEOUT_S = 3.0


@dataclass
class News:
    """What is new of one device since the last time it was put down."""

    values: dict[str, float] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    state: dict[str, str | float] = field(default_factory=dict)


class ShelfError(Exception):
    """Redis did not answer, or not as expected; the text says how."""


class Shelf:
    """Last values in the Redis at `host`, as `user`."""

    def __init__(self, host: str, user: str, password: str, port: int = 6379) -> None:
        self._redis = redis.Redis(
            host=host,
            port=port,
            username=user,
            password=password,
            decode_responses=True,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
        )

    def put(self, news: dict[str, News]) -> None:
        """Put down what is new. Raises ShelfError; some of it may be there even so.

        Without MULTI: at its start Redis runs its log as the user without a login, who may do
        nothing but PING, and within a transaction it refuses him (measured with 7.0: all was lost).
        """
        with self._redis.pipeline(transaction=False) as batch:
            batch.sadd(DEVICES, *news)
            for device, one in news.items():
                for key, entries in (
                    (f"values:{device}", one.values),
                    (f"times:{device}", one.times),
                    (f"device:{device}", one.state),
                ):
                    if entries:
                        # The type of redis-py asks for bytes or str; it sends numbers as text.
                        batch.hset(key, mapping=entries)  # type: ignore[arg-type]
            self._run(batch)

    def times(self) -> dict[str, dict[str, float]]:
        """When each metric of each device was last measured. Raises ShelfError."""
        devices = self._devices()
        found = self._hashes(f"times:{device}" for device in devices)
        return {
            device: {metric: float(time) for metric, time in one.items()}
            for device, one in zip(devices, found, strict=True)
        }

    def online(self) -> dict[str, bool]:
        """Whether each device was online when it was last heard. Raises ShelfError."""
        devices = self._devices()
        found = self._hashes(f"device:{device}" for device in devices)
        return {
            device: one["online"] == "1"
            for device, one in zip(devices, found, strict=True)
            if "online" in one
        }

    def everything(self) -> list[dict[str, Any]]:
        """All devices by name, each as `mote devices --json` shows it. Raises ShelfError."""
        devices = sorted(self._devices())
        keys = ("device", "values", "times")
        found = self._hashes(f"{key}:{device}" for device in devices for key in keys)
        return [_as_object(device, *found[3 * n : 3 * n + 3]) for n, device in enumerate(devices)]

    def _devices(self) -> list[str]:
        try:
            return [str(one) for one in self._redis.smembers(DEVICES)]
        except redis.RedisError as error:
            raise ShelfError(f"Redis: {error}") from error

    def _hashes(self, keys: Iterable[str]) -> list[dict[str, str]]:
        with self._redis.pipeline(transaction=False) as batch:
            for key in keys:
                batch.hgetall(key)
            return self._run(batch)

    def _run(self, batch: Any) -> list[Any]:
        try:
            return list(batch.execute())
        except redis.RedisError as error:
            raise ShelfError(f"Redis: {error}") from error


def _as_object(
    device: str, state: dict[str, str], values: dict[str, str], times: dict[str, str]
) -> dict[str, Any]:
    return {
        "id": device,
        "online": state.get("online") == "1",
        "changed": float(state["changed"]) if "changed" in state else None,
        "info": _info(state.get("info", "{}")),
        "readings": {
            metric: {"value": float(value), "time": float(times[metric])}
            for metric, value in sorted(values.items())
        },
    }


def _info(text: str) -> dict[str, Any]:
    """Return a device's info; nothing for what an earlier version kept without a check."""
    try:
        return payloads.parse_json_object(text.encode(errors="replace"))
    except PayloadError:
        return {}
