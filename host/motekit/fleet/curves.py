"""What sensors measure in the course of a day: sun, weather, people, and their own noise."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

DAY_S = 86_400
# A lithium cell between its charges; its voltage falls fast, then slowly, then fast.
BATTERY_DAYS = 30
_FULL_V, _EMPTY_V = 4.2, 3.2
_WEATHER_DAYS = 3.7

KINDS = {
    "climate": ("temperature", "humidity", "pressure", "rssi"),
    "room": ("temperature", "humidity", "co2", "illuminance", "rssi"),
    "garden": ("temperature", "soil_moisture", "illuminance", "battery", "rssi"),
    "tank": ("distance", "battery", "rssi"),
}


class Sky:
    """What all devices share at a moment: the hour, the sun and the weather.

    `time_s` is Unix time. `warmth` is -1 to 1 and greatest at three in the afternoon, `light` 0 to
    1 and greatest at noon, `weather` -1 (low pressure) to 1.
    """

    __slots__ = ("light", "time_s", "warmth", "weather", "work")

    def __init__(self, time_s: float) -> None:
        self.time_s = time_s
        hour = (time_s - time.timezone) % DAY_S / 3600
        self.warmth = math.cos((hour - 15) * math.tau / 24)
        self.light = max(0.0, math.sin((hour - 6) * math.tau / 24))
        self.weather = math.sin(time_s / DAY_S * math.tau / _WEATHER_DAYS)
        # People are in a room from eight to six, with a bump around the middle of each half.
        self.work = max(0.0, math.sin((hour - 8) * math.tau / 20)) if 8 <= hour < 18 else 0.0


@dataclass
class Place:
    """Where a device stands: what makes it differ from its neighbour with the same sensors."""

    warmth: float
    swing: float
    altitude_m: float
    shade: float
    people: float
    watered_days: float
    depth_cm: float
    signal: float
    battery_until: float

    @classmethod
    def pick(cls, chance: random.Random, time_s: float) -> "Place":
        """A place by chance; its battery may be full or nearly empty at `time_s`."""
        return cls(
            warmth=chance.gauss(20, 3),
            swing=chance.uniform(0.5, 6),
            altitude_m=chance.uniform(0, 800),
            shade=chance.random(),
            people=chance.uniform(0, 8),
            watered_days=chance.uniform(1, 7),
            depth_cm=chance.uniform(80, 300),
            signal=chance.uniform(-85, -45),
            battery_until=time_s + chance.random() * BATTERY_DAYS * DAY_S,
        )

    def charge(self, time_s: float) -> float:
        """What is left in the battery, 0 to 1."""
        return min(max((self.battery_until - time_s) / (BATTERY_DAYS * DAY_S), 0.0), 1.0)

    def new_battery(self, time_s: float) -> None:
        self.battery_until = time_s + BATTERY_DAYS * DAY_S


def _temperature(place: Place, sky: Sky) -> float:
    return place.warmth + place.swing * sky.warmth + 2 * sky.weather


def _humidity(place: Place, sky: Sky) -> float:
    # The same water in warmer air is a smaller part of what it could hold.
    return 55 - 3 * place.swing * sky.warmth - 10 * sky.weather


def _pressure(place: Place, sky: Sky) -> float:
    # Barometric formula of the standard atmosphere (ISO 2533), low altitudes.
    return (1013.25 + 15 * sky.weather) * math.pow(1 - place.altitude_m / 44_330, 5.255)


def _illuminance(place: Place, sky: Sky) -> float:
    return 60_000 * math.pow(sky.light, 1.5) * (1 - 0.95 * place.shade) * (0.6 + 0.4 * sky.weather)


def _co2(place: Place, sky: Sky) -> float:
    return 420 + 110 * place.people * sky.work


def _battery(place: Place, sky: Sky) -> float:
    charge = place.charge(sky.time_s)
    # Two steep ends and a flat middle, as the data sheets of lithium cells draw it.
    middle = 0.5 + math.asin(2 * charge - 1) / math.pi
    return _EMPTY_V + (_FULL_V - _EMPTY_V) * middle


def _distance(place: Place, sky: Sky) -> float:
    # A tank is filled when it is empty, over the same days as a pot is watered.
    return place.depth_cm * (0.1 + 0.8 * _since_watering(place, sky))


def _soil_moisture(place: Place, sky: Sky) -> float:
    return 15 + 60 * math.exp(-2 * _since_watering(place, sky))


def _rssi(place: Place, sky: Sky) -> float:
    return place.signal


def _since_watering(place: Place, sky: Sky) -> float:
    return sky.time_s / DAY_S % place.watered_days / place.watered_days


@dataclass(frozen=True)
class Curve:
    """A quantity without noise, the standard deviation of the noise, and the sensor's range."""

    of: Callable[[Place, Sky], float]
    noise: float
    low: float
    high: float


CURVES = {
    "temperature": Curve(_temperature, 0.05, -40, 85),
    "humidity": Curve(_humidity, 0.4, 0, 100),
    "pressure": Curve(_pressure, 0.08, 300, 1100),
    "illuminance": Curve(_illuminance, 8, 0, 65_535),
    "co2": Curve(_co2, 6, 400, 5000),
    "battery": Curve(_battery, 0.004, 0, 5),
    "distance": Curve(_distance, 0.3, 2, 400),
    "soil_moisture": Curve(_soil_moisture, 0.5, 0, 100),
    "rssi": Curve(_rssi, 2, -100, -20),
}


def measure(metric: str, place: Place, sky: Sky, chance: random.Random, noise: float = 1) -> float:
    """One reading; `noise` multiplies that of a sound sensor."""
    curve = CURVES[metric]
    value = curve.of(place, sky) + chance.gauss(0, curve.noise * noise)
    return min(max(value, curve.low), curve.high)
