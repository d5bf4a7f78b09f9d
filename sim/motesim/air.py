"""The air around the boards: WiFi networks, as a station hears and joins them."""

from dataclasses import dataclass, field
from enum import IntEnum

# Authentication modes, numbered as in esp_wifi_types.h.
OPEN, WPA2, WPA2_ENTERPRISE, WPA3 = 0, 3, 5, 6


class Status(IntEnum):
    """`WLAN.status()` of the ESP32 port: its states, and reasons of esp_wifi_types.h."""

    NONE = 0
    IDLE = 1000
    CONNECTING = 1001
    GOT_IP = 1010
    LEFT = 8
    BEACON_TIMEOUT = 200
    NO_AP_FOUND = 201
    WRONG_PASSWORD = 202
    HANDSHAKE_TIMEOUT = 204


@dataclass
class AccessPoint:
    """One WiFi network. `rssi` in dBm at the board, `channel` 1 to 13; no password is open."""

    ssid: str
    password: str = ""
    channel: int = 6
    rssi: int = -55
    hidden: bool = False
    authmode: int | None = None
    dhcp: bool = True
    up: bool = True
    # Part of the packets that are lost, 0 to 1.
    loss: float = 0.0
    # What it takes longer for a packet to get through, each way.
    delay_s: float = 0.0
    subnet: str = "192.168.50"
    bssid: str = field(default="")

    def __post_init__(self) -> None:
        if not self.bssid:
            self.bssid = "02" + (self.ssid.encode().hex() + "0" * 10)[-10:]

    @property
    def mode(self) -> int:
        """Its authentication mode, by the password unless stated."""
        if self.authmode is not None:
            return self.authmode
        return WPA2 if self.password else OPEN

    def scan_entry(self) -> list[object]:
        """What `WLAN.scan()` lists: ssid and bssid in hex, channel, rssi, authmode, hidden."""
        ssid = "" if self.hidden else self.ssid
        return [
            ssid.encode().hex(), self.bssid, self.channel, self.rssi, self.mode, self.hidden
        ]  # fmt: skip


class Air:
    """Every network in reach."""

    def __init__(self) -> None:
        self.access_points: list[AccessPoint] = []

    def find(self, ssid: bytes) -> AccessPoint | None:
        """The strongest network of that name that is on the air."""
        named = [ap for ap in self.access_points if ap.up and ap.ssid.encode() == ssid]
        return max(named, key=lambda ap: ap.rssi, default=None)

    def scan(self) -> list[AccessPoint]:
        """Networks on the air, strongest first, as the driver sorts them."""
        return sorted((ap for ap in self.access_points if ap.up), key=lambda ap: -ap.rssi)
