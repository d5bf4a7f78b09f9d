"""The units of metrics: read by the hub, and by Home Assistant through the board.

Runs on MicroPython and on CPython; a board loads it only when it introduces its metrics.
"""

# Metric -> (Home Assistant's device class, unit). A metric whose name begins or ends with one of
# these has its unit: `dht22_temperature`, `temperature_2`.
UNITS = {
    "temperature": ("temperature", "°C"),
    "humidity": ("humidity", "%"),
    "pressure": ("atmospheric_pressure", "hPa"),
    "illuminance": ("illuminance", "lx"),
    "co2": ("carbon_dioxide", "ppm"),
    "battery": ("voltage", "V"),
    "distance": ("distance", "cm"),
    "soil_moisture": ("moisture", "%"),
    "rssi": ("signal_strength", "dBm"),
}


def kind_of(metric: str) -> tuple[str, str]:
    """(device class, unit) of a metric, two empty texts when it is not known."""
    for name, kind in UNITS.items():
        if metric == name or metric.endswith("_" + name) or metric.startswith(name + "_"):
            return kind
    return "", ""
