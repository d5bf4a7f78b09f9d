"""Which WiFi networks are in reach."""

import network

from mote import memory

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
_SSID_MAX = 32
# A list of more takes the memory of the page, and nobody reads it: anybody can send beacons.
_MOST = 24
# Open, or encrypted without a password (OWE, RFC 8110).
_NO_PASSWORD = (0, 9)


class Network:
    """One network: `ssid` text, `rssi` dBm, `security` (WPA2, …; empty when open), `secured` when
    it asks for a password, `supported` (no enterprise login, nothing that the driver lacks), and
    `bars`, its signal as 1 to 4.
    """

    def __init__(self, ssid, rssi, authmode):
        self.ssid = ssid
        self.rssi = rssi
        self.security = _SECURITY.get(authmode, "802.1X")
        self.secured = authmode not in _NO_PASSWORD
        self.supported = authmode in _SECURITY
        # A network outlives this module: there is nothing in it that is worked out later.
        self.bars = 1 + (rssi > -80) + (rssi > -70) + (rssi > -60)


def networks():
    """The strongest networks, by signal, one entry a name. Blocks for two and a half seconds.

    Hidden networks are left out, and names that the configuration cannot hold: what is not UTF-8,
    or has a NUL.
    """
    radio = network.WLAN(network.STA_IF)
    radio.active(True)
    try:
        heard = radio.scan()
    except (OSError, MemoryError):
        return []
    from mote import utf8

    found = {}
    # By signal, so that what a crowd of others costs is bounded.
    for name, _, _, rssi, authmode, _ in sorted(heard, key=lambda one: -one[3]):
        # A name of fewer bytes may come with NULs behind it.
        name = bytes(name).rstrip(b"\0")
        if 0 < len(name) <= _SSID_MAX and b"\0" not in name and utf8.is_valid(name):
            ssid = str(name, "utf-8")
            if ssid not in found:
                found[ssid] = Network(ssid, rssi, authmode)
                if len(found) == _MOST:
                    break
    memory.forget("mote.utf8")
    return sorted(found.values(), key=lambda one: -one.rssi)
