"""What programs ask the hub for, as JSON."""

import json
import time
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Query

if TYPE_CHECKING:
    from motekit.hub.hub import Hub

LIMIT = 10_000


def add(application: FastAPI, hub: "Hub") -> None:
    """Add `/api/devices` and `/api/readings`."""

    @application.get("/api/devices")
    def devices() -> list[dict[str, Any]]:
        """Every device with its status, what it says of itself, and its newest readings."""
        latest: dict[str, dict[str, Any]] = {}
        for reading in hub.store.latest():
            entry = {"value": reading.value, "time_ns": reading.time_ns}
            latest.setdefault(reading.device, {})[reading.metric] = entry
        return [
            {
                "id": device.id,
                "online": device.online,
                "changed_ns": device.changed_ns,
                "info": json.loads(device.info),
                "readings": latest.get(device.id, {}),
            }
            for device in hub.store.devices()
        ]

    @application.get("/api/readings")
    def readings(
        device: str, metric: str, since: float = Query(0, description="Unix time in seconds")
    ) -> list[dict[str, Any]]:
        """Readings of one series since a time, oldest first, at most 10,000."""
        since_ns = int((since or time.time() - 3600) * 1e9)
        found = hub.store.readings(device, metric, since_ns, LIMIT)
        return [{"time_ns": one.time_ns, "value": one.value} for one in found]
