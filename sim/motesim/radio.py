"""The radio of a board: one channel for its station and its own access point."""

from typing import Any

from motesim.air import OPEN, Air
from motesim.errors import Silicon
from motesim.network import BoardNetwork
from motesim.station import Station

STA, AP = 0, 1
AP_CHANNEL = 1
CONFIGURABLE = {
    "ssid", "essid", "key", "password", "security", "authmode", "channel", "hidden", "reconnects",
    "pm", "txpower", "hostname", "dhcp_hostname", "max_clients", "mac", "protocol",
}  # fmt: skip


class SoftAccessPoint:
    """`WLAN(AP_IF)`: the network that a board opens."""

    def __init__(self, mac: str) -> None:
        self.active = False
        self.ssid = "ESP_" + mac[-6:].upper()
        self.key = ""
        self.authmode = OPEN
        self.channel = AP_CHANNEL
        self.hidden = False
        self.max_clients = 4
        self.address = ("192.168.4.1", "255.255.255.0", "192.168.4.1", "0.0.0.0")


class Radio:
    """What `network.WLAN` asks for: operations of both interfaces, by the port's names.

    `mac` is the station's in hex; the access point's is one higher (ESP-IDF, esp_read_mac).
    """

    def __init__(self, air: Air, network: BoardNetwork, mac: str) -> None:
        self.air = air
        self.network = network
        self.mac = mac
        self.station = Station(self, network)
        self.soft_ap = SoftAccessPoint(mac)

    def stop(self) -> None:
        """The chip loses power or resets: both interfaces are off, nobody is told."""
        self.station.power_off()
        self.soft_ap = SoftAccessPoint(self.mac)

    async def follow(self, channel: int) -> None:
        """The station needs another channel: the access point moves too, its phones drop off."""
        if self.soft_ap.active and self.soft_ap.channel != channel:
            self.soft_ap.channel = channel
            await self.network.phones_dropped()
        self.soft_ap.channel = channel

    def wlan_active(self, interface: int) -> bool:
        return self.station.active if interface == STA else self.soft_ap.active

    async def wlan_activate(self, interface: int, active: bool) -> bool:
        if interface == STA:
            if self.station.active and not active and self.station.access_point:
                await self.network.station_down()
            self.station.switch(active)
        elif active != self.soft_ap.active:
            self.soft_ap.active = active
            if active:
                await self.network.access_point_up(self.soft_ap.ssid)
            else:
                await self.network.access_point_down()
        return active

    def wlan_connect(self, name: str | None, key: str | None) -> None:
        self.station.connect(
            None if name is None else bytes.fromhex(name),
            None if key is None else bytes.fromhex(key),
        )

    async def wlan_disconnect(self) -> None:
        await self.station.disconnect()

    def wlan_isconnected(self, interface: int) -> bool:
        if interface == STA:
            return self.station.joined
        return self.soft_ap.active and bool(self.network.stations())

    def wlan_status(self, interface: int) -> int | None:
        return self.station.status() if interface == STA else None

    def wlan_rssi(self) -> int:
        if not self.station.access_point:
            raise Silicon("OSError", "Wifi Not Connected")
        return self.station.access_point.rssi

    def wlan_stations(self) -> list[str]:
        return self.network.stations()

    async def wlan_scan(self) -> list[list[object]]:
        return await self.station.scan()

    def wlan_ifconfig(self, interface: int) -> list[str]:
        none = ("0.0.0.0",) * 4
        return list((self.station.address or none) if interface == STA else self.soft_ap.address)

    def wlan_set_ifconfig(self, interface: int, address: list[str]) -> None:
        given = tuple(map(str, address))
        if len(given) != 4:
            raise Silicon("ValueError", "tuple/list has wrong length")
        if interface == STA:
            self.station.static = given
        else:
            self.soft_ap.address = given

    def wlan_config(self, interface: int, name: str) -> object:
        if name == "mac":
            return self.mac if interface == STA else f"{int(self.mac, 16) + 1:012x}"
        if interface == AP:
            return self._soft_ap_config(name)
        if name in ("ssid", "essid"):
            return self.station.credentials().hex()
        if name == "reconnects":
            return self.station.reconnects
        if name == "channel":
            return self.soft_ap.channel
        if name in ("pm", "txpower", "protocol"):
            return {"pm": 1, "txpower": 20, "protocol": 7}[name]
        raise Silicon("ValueError", "unknown config param")

    def wlan_configure(self, interface: int, settings: dict[str, Any]) -> None:
        for name in settings:
            if name not in CONFIGURABLE:
                raise Silicon("ValueError", "unknown config param")
        if interface == STA:
            self.station.reconnects = int(settings.get("reconnects", self.station.reconnects))
            return
        if not self.soft_ap.active:
            started = self.station.active
            raise Silicon("OSError", "Wifi Invalid Mode" if started else "Wifi Not Started")
        self._configure_soft_ap(settings)

    def _soft_ap_config(self, name: str) -> object:
        ap = self.soft_ap
        values: dict[str, object] = {
            "ssid": ap.ssid.encode().hex(),
            "essid": ap.ssid.encode().hex(),
            "security": ap.authmode,
            "authmode": ap.authmode,
            "channel": ap.channel,
            "hidden": ap.hidden,
            "max_clients": ap.max_clients,
        }
        if name not in values:
            raise Silicon("ValueError", "unknown config param")
        return values[name]

    def _configure_soft_ap(self, settings: dict[str, Any]) -> None:
        ap = self.soft_ap
        authmode = settings.get("security", settings.get("authmode", ap.authmode))
        key = str(settings.get("key", settings.get("password", ap.key)))[:64]
        if authmode and len(key) < 8:
            raise Silicon("OSError", "Wifi Invalid Argument")
        ssid = settings.get("ssid", settings.get("essid", ap.ssid))
        ap.ssid = str(ssid).encode()[:32].decode(errors="ignore")
        # A key alone changes nothing: without an authentication mode the network stays open.
        ap.key, ap.authmode = key, int(authmode)
        ap.channel = int(settings.get("channel", ap.channel))
        ap.hidden = bool(settings.get("hidden", ap.hidden))
        ap.max_clients = int(settings.get("max_clients", ap.max_clients))
        self.network.max_clients = ap.max_clients
        self.network.key = ap.key if ap.authmode else ""
