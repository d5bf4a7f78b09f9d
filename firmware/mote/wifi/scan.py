"""Which WiFi networks are in reach."""

import network

# Authentication modes of the driver (esp_wifi_types.h).
_OPEN = 0
_ENTERPRISE = (5, 10, 11, 12, 13)


class Network:
    """One network: `ssid` text, `rssi` dBm, `secured`, and `supported` (no enterprise login)."""

    def __init__(self, ssid, rssi, authmode):
        self.ssid = ssid
        self.rssi = rssi
        self.secured = authmode != _OPEN
        self.supported = authmode not in _ENTERPRISE

    @property
    def bars(self):
        """Signal as 1 to 4 bars."""
        return 1 + (self.rssi > -80) + (self.rssi > -70) + (self.rssi > -60)


def networks():
    """Networks by signal, strongest first, one entry a name. Blocks for two and a half seconds.

    Hidden networks are left out, and names that are not UTF-8: the configuration is text.
    """
    radio = network.WLAN(network.STA_IF)
    radio.active(True)
    try:
        heard = radio.scan()
    except OSError:
        return []
    found = {}
    for name, _, _, rssi, authmode, _ in heard:
        try:
            ssid = str(name, "utf-8")
        except UnicodeError:
            continue
        if ssid.strip("\0") and (ssid not in found or found[ssid].rssi < rssi):
            found[ssid] = Network(ssid, rssi, authmode)
    return sorted(found.values(), key=lambda one: -one.rssi)
