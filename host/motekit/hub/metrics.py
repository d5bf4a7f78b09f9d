"""Metrics as people read them: label, unit and decimals, by the names of contract 1."""

from dataclasses import dataclass

from mote import units


@dataclass(frozen=True)
class Metric:
    """A metric as it is shown; its unit is that of the contract."""

    label: str
    unit: str
    decimals: int

    @property
    def title(self) -> str:
        return f"{self.label}, {self.unit}" if self.unit else self.label


# Label and decimals; in the order in which a device's metrics are shown.
_SHOWN = {
    "temperature": ("Temperature", 1),
    "humidity": ("Humidity", 0),
    "pressure": ("Pressure", 1),
    "illuminance": ("Light", 0),
    "co2": ("CO₂", 0),
    "battery": ("Battery", 2),
    "distance": ("Distance", 1),
    "soil_moisture": ("Soil moisture", 0),
    "rssi": ("Signal", 0),
    "chip_temperature": ("Chip", 0),
}
_KNOWN = {
    name: Metric(label, units.kind_of(name)[1], decimals)
    for name, (label, decimals) in _SHOWN.items()
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
