"""The demo's boards: three that are configured and publish, one new in its box."""

import math
import random
import time
from collections.abc import Callable
from typing import Any

from motesim import AccessPoint, BoardSpec
from motesim.parts import AnalogSource, Bme280, Dht22, Ds18b20

# A day in ten minutes: a live chart has something to show.
DAY_S = 600
INTERVAL_S = 2
SERVER = "mqtt.local"
# Of the boards that are configured.
NAMES = ("greenhouse", "aquarium", "workshop")


def diurnal(mean: float, swing: float, noise: float, seed: int) -> Callable[[], float]:
    """A value that follows the day: lowest before dawn, highest in the afternoon, with noise.

    `mean`, `swing` (half of peak to peak) and `noise` (standard deviation) are in the metric's
    unit.
    """
    rng = random.Random(seed)
    phase = rng.random() * 0.2

    def value() -> float:
        day = time.time() / DAY_S + phase
        return mean - swing * math.cos(2 * math.pi * day) + rng.gauss(0, noise)

    return value


def configuration(device: str, home: AccessPoint, sensors: Any = "auto") -> dict[str, Any]:
    """What the portal would have saved on a board that joins `home` and publishes to the hub."""
    return {
        "version": 1,
        "id": device,
        "wifi": [{"ssid": home.ssid, "password": home.password}],
        "mqtt": {"host": SERVER},
        "interval": INTERVAL_S,
        "sensors": sensors,
    }


def configured(home: AccessPoint) -> list[BoardSpec]:
    """Three boards as different as those of a house: one of each chip."""
    return [
        BoardSpec(
            name=NAMES[0],
            chip="esp32",
            parts=[
                Bme280(
                    temperature=diurnal(24, 7, 0.05, 1),
                    humidity=diurnal(62, -14, 0.2, 2),
                    pressure=diurnal(1013, 2, 0.03, 3),
                ),
                AnalogSource(pin=34, volts=diurnal(1.6, 0.2, 0.004, 4)),
            ],
            config=configuration(
                "greenhouse",
                home,
                [
                    {"type": "bme280"},
                    {
                        "type": "analog",
                        "pin": 34,
                        "name": "soil_moisture",
                        "volts": [2.4, 0.9],
                        "values": [0, 100],
                    },
                    {"type": "rssi"},
                ],
            ),
        ),
        BoardSpec(
            name=NAMES[1],
            chip="esp32s3",
            parts=[Ds18b20(temperature=diurnal(25.5, 0.6, 0.02, 5))],
            config=configuration("aquarium", home),
        ),
        BoardSpec(
            name=NAMES[2],
            chip="esp32c3",
            parts=[Dht22(temperature=diurnal(19, 4, 0.1, 6), humidity=diurnal(45, -8, 0.3, 7))],
            config=configuration("workshop", home),
        ),
    ]


def unboxed() -> BoardSpec:
    """The fourth board: never configured, with a DHT22 on its default pin."""
    return BoardSpec(
        name="new board",
        chip="esp32",
        parts=[Dht22(temperature=diurnal(21, 2, 0.1, 8), humidity=diurnal(50, -5, 0.3, 9))],
        config=None,
    )
