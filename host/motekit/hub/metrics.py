"""Metrics as people read them: label, unit and decimals, by the names of contract 1."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    label: str
    unit: str
    decimals: int

    @property
    def title(self) -> str:
        return f"{self.label}, {self.unit}" if self.unit else self.label


_KNOWN = {
    "temperature": Metric("Temperature", "°C", 1),
    "humidity": Metric("Humidity", "%", 0),
    "pressure": Metric("Pressure", "hPa", 1),
    "illuminance": Metric("Light", "lx", 0),
    "co2": Metric("CO₂", "ppm", 0),
    "battery": Metric("Battery", "V", 2),
    "distance": Metric("Distance", "cm", 1),
    "soil_moisture": Metric("Soil moisture", "%", 0),
    "rssi": Metric("Signal", "dBm", 0),
    "chip_temperature": Metric("Chip", "°C", 0),
}


def describe(name: str) -> Metric:
    """How to show metric `name`; a name that ends in a known one gets that one's unit."""
    if name in _KNOWN:
        return _KNOWN[name]
    label = name.replace("_", " ").capitalize()
    for known, metric in _KNOWN.items():
        if name.endswith("_" + known) or name.startswith(known + "_"):
            return Metric(label, metric.unit, metric.decimals)
    return Metric(label, "", 2)


def show(name: str, value: float) -> str:
    """The value with as many decimals as its metric is worth."""
    return f"{value:.{describe(name).decimals}f}"


def rank(name: str) -> tuple[int, str]:
    """A key to sort metrics by: the world before the board itself, the usual ones first."""
    known = list(_KNOWN)
    return (known.index(name) if name in known else len(known) - 3, name)
