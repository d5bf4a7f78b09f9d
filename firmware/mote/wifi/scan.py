"""Which WiFi networks are in reach."""

import network

# Authentication modes of the driver (wifi_auth_mode_t in esp_wifi_types_generic.h).
_SECURITY = {
    0: "",
    1: "WEP",
    2: "WPA",
    3: "WPA2",
    4: "WPA/WPA2",
    6: "WPA3",
    7: "WPA2/WPA3",
    9: "OWE",
    11: "WPA3",
    12: "WPA3",
}
# Open, or encrypted without a password (OWE, RFC 8110).
_NO_PASSWORD = (0, 9)


class Network:
    """One network: `ssid` text, `rssi` dBm, `security` (WPA2, …; empty when open), `secured` when
    it asks for a password, and `supported` (no enterprise login, nothing that the driver lacks).
    """

    def __init__(self, ssid, rssi, authmode):
        self.ssid = ssid
        self.rssi = rssi
        self.security = _SECURITY.get(authmode, "802.1X")
        self.secured = authmode not in _NO_PASSWORD
        self.supported = authmode in _SECURITY

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
