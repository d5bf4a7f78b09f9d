"""Four devices with a day behind them, for pictures of dashboards: what a home would have sent."""

import json
import math
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from running_stack import RunningStack

DAY_S, STEP_S, LIVE_S = 24 * 3600, 60, 5
LINES_A_MESSAGE = 200
_BEGAN = time.time() - DAY_S
# Mean, swing over the day, hour of the greatest value, noise; the battery loses over the day.
METRICS = {
    "greenhouse": {
        "temperature": (23.0, 6.0, 15, 0.15),
        "humidity": (68.0, -14.0, 15, 0.6),
        "soil_moisture": (41.0, -3.0, 18, 0.2),
        "battery": (3.92, 0.0, 0, 0.003),
    },
    "kitchen": {
        "temperature": (21.5, 1.6, 19, 0.08),
        "humidity": (47.0, 6.0, 19, 0.5),
        "co2": (640.0, 210.0, 20, 12.0),
        "pressure": (1013.2, 2.1, 9, 0.05),
    },
    "garage": {
        "temperature": (14.0, 2.4, 16, 0.1),
        "distance": (182.0, 0.0, 0, 0.4),
        "battery": (3.71, 0.0, 0, 0.004),
    },
    "balcony": {
        "temperature": (11.0, 5.5, 14, 0.2),
        "humidity": (72.0, -16.0, 14, 0.7),
        "illuminance": (9000.0, 9000.0, 13, 60.0),
    },
}
# Seconds before now in which it was offline; what it measured then it sent later.
AWAY = {"garage": (7 * 3600, 6 * 3600), "balcony": (1900, 1300)}
_SIGNAL = {"greenhouse": -71, "kitchen": -48, "garage": -79, "balcony": -64}


def value(device: str, metric: str, at: float, chance: random.Random) -> float:
    """What the device would have measured at a time (seconds since 1970)."""
    mean, swing, peak, noise = METRICS[device][metric]
    hour = at % DAY_S / 3600
    drained = 0.0001 * (at - _BEGAN) / STEP_S if metric == "battery" else 0.0
    wave = swing * math.cos((hour - peak) / 12 * math.pi)
    return round(mean + wave - drained + chance.gauss(0, noise), 3)


def past(stack: "RunningStack") -> int:
    """Send the day that lies behind, as boards send what they kept; how many readings that is.

    What devices tell of themselves has no way to come late, so that is written to the database.
    """
    now, sent = time.time(), 0
    told = []
    stack.passwords(*METRICS)
    for device, metrics in METRICS.items():
        chance = random.Random(device)
        times = [now - age for age in range(DAY_S, STEP_S, -STEP_S)]
        lines = [
            f"sensors,device={device},metric={metric} "
            f"value={value(device, metric, at, chance)} {int(at * 1e9)}"
            for at in times
            for metric in metrics
        ]
        client = stack.client(device)
        for start in range(0, len(lines), LINES_A_MESSAGE):
            part = "\n".join(lines[start : start + LINES_A_MESSAGE])
            client.publish(f"backfill/{device}", part, qos=1).wait_for_publish(60)
        client.disconnect()
        client.loop_stop()
        sent += len(lines)
        told += [_told(device, at, now, chance) for at in times]
    code, text = stack.http(
        "telegraf/influxdb_token", "/api/v2/write?org=mote&bucket=operations", "POST",
        "\n".join(line for lines in told for line in lines),
    )  # fmt: skip
    assert code == 204, text
    return sent


@contextmanager
def live(stack: "RunningStack") -> Iterator[None]:
    """The devices are online and go on, a reading of each metric every `LIVE_S` seconds."""
    over = threading.Event()
    threads = [threading.Thread(target=_live, args=(stack, one, over)) for one in METRICS]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _live(stack: "RunningStack", device: str, over: threading.Event) -> None:
    chance = random.Random()
    client = stack.client(device)
    client.publish(f"devices/{device}/status", "online", qos=1, retain=True)
    while not over.is_set():
        client.publish(f"devices/{device}/info", json.dumps(_info(device, chance)), 1, True)
        for metric in METRICS[device]:
            number = value(device, metric, time.time(), chance)
            client.publish(f"sensors/{device}/{metric}", str(number), qos=1)
        over.wait(LIVE_S)
    client.disconnect()
    client.loop_stop()


def _info(device: str, chance: random.Random, waiting: int = 0) -> dict[str, int]:
    return {
        "rssi": round(_SIGNAL[device] + chance.gauss(0, 2)),
        "heap": 92_000 + chance.randrange(-4000, 4000),
        "heap_low": 81_000,
        "crashes": 0,
        "queue": waiting,
        "lost": 0,
    }


def _told(device: str, at: float, now: float, chance: random.Random) -> list[str]:
    since, until = AWAY.get(device, (0, 0))
    stamp = int(at * 1e9)
    if until <= now - at < since:
        return [f"status,device={device} online=0i {stamp}"]
    behind = now - at < until and now - at > until - 4 * STEP_S
    fields = ",".join(f"{k}={v}" for k, v in _info(device, chance, 40 if behind else 0).items())
    return [f"status,device={device} online=1i {stamp}", f"info,device={device} {fields} {stamp}"]
