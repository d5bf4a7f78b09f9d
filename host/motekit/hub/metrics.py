"""Metrics as people read them: label, unit and decimals, by the names of the contract."""

import math
import re
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
    "chip_temperature": ("Chip temperature", 0),
}
_KNOWN = {
    name: Metric(label, units.kind_of(name)[1], decimals)
    for name, (label, decimals) in _SHOWN.items()
}
DECIMALS = 2
# Words in names of metrics that are written in their own way.
_WORDS = {
    "aqi": "AQI", "ch4": "CH₄", "co": "CO", "co2": "CO₂", "ec": "EC", "eco2": "eCO₂", "h2": "H₂",
    "h2s": "H₂S", "iaq": "IAQ", "n2o": "N₂O", "nh3": "NH₃", "no": "NO", "no2": "NO₂", "nox": "NOₓ",
    "o2": "O₂", "o3": "O₃", "orp": "ORP", "ph": "pH", "pm1": "PM1.0", "pm10": "PM10",
    "pm25": "PM2.5", "pm4": "PM4.0", "rh": "RH", "rpm": "RPM", "so2": "SO₂", "tds": "TDS",
    "tvoc": "TVOC", "uv": "UV", "uva": "UVA", "uvb": "UVB", "voc": "VOC",
}  # fmt: skip
# The last word of a name that is a unit.
_UNITS = {
    "ppm": "ppm", "ppb": "ppb", "hpa": "hPa", "kpa": "kPa", "lux": "lx", "lx": "lx", "percent": "%",
    "ugm3": "µg/m³", "mv": "mV", "ma": "mA", "mw": "mW", "kwh": "kWh", "wh": "Wh", "dbm": "dBm",
    "celsius": "°C", "degc": "°C", "mm": "mm", "cm": "cm", "hz": "Hz", "rpm": "rpm",
}  # fmt: skip
_FRACTION = re.compile(r"\bpm(\d)_(\d)(?=_|$)")
# What a part is called: letters and digits, such as ds18b20 or the end of a ROM code.
_PART = re.compile(r"(?=.*\d)(?=.*[a-z])[a-z0-9]+")


def describe(name: str) -> Metric:
    """How to show metric `name`; a name that ends in a known one gets that one's unit."""
    if name in _KNOWN:
        return _KNOWN[name]
    for known, metric in _KNOWN.items():
        rest = name.removeprefix(known + "_").removesuffix("_" + known)
        if rest != name:
            return Metric(f"{metric.label} {_words(rest)}", metric.unit, metric.decimals)
    rest, _, last = name.rpartition("_")
    if rest and last in _UNITS:
        return Metric(_sentence(rest), _UNITS[last], DECIMALS)
    return Metric(_sentence(name), "", DECIMALS)


def show(name: str, value: float) -> str:
    """The value with as many decimals as its metric is worth."""
    return format_value(value, describe(name).decimals)


def format_value(value: float, decimals: int) -> str:
    """A value with `decimals`, or with two significant digits if it would else be shown as 0.

    `web/format.js` does the same in the browser.
    """
    if not math.isfinite(value):
        return "–"
    if abs(value) >= 1e15:
        return _exponential(value, 3)
    text = f"{value:.{decimals}f}"
    if float(text) != 0:
        return text
    if value == 0:
        return f"{0:.{decimals}f}"
    digits = 1 - math.floor(math.log10(abs(value)))
    if digits > 9:
        return _exponential(value, 1)
    return f"{value:.{digits}f}".rstrip("0")


def rank(name: str) -> tuple[int, str]:
    """A key to sort metrics by: the world before the board itself, the usual ones first."""
    known = list(_KNOWN)
    return (known.index(name) if name in known else len(known) - 3, name)


def _exponential(value: float, digits: int) -> str:
    return re.sub(r"e([+-])0", r"e\1", f"{value:.{digits}e}")


def _words(name: str) -> str:
    name = _FRACTION.sub(r"pm\1.\2", name)
    return " ".join(_word(word) for word in name.split("_") if word)


def _word(word: str) -> str:
    if word in _WORDS:
        return _WORDS[word]
    return word.upper() if word.startswith("pm") or _PART.fullmatch(word) else word


def _sentence(name: str) -> str:
    words = _words(name) or name
    return words[0].upper() + words[1:] if words.split()[0].islower() else words
