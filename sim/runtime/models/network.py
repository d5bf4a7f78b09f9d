"""`network` of the ESP32 port: the station and the access point of one radio."""

import idf_heap
import machine
import world

STA_IF = 0
AP_IF = 1
STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
STAT_BEACON_TIMEOUT = 200
STAT_NO_AP_FOUND = 201
STAT_WRONG_PASSWORD = 202
STAT_ASSOC_FAIL = 203
STAT_HANDSHAKE_TIMEOUT = 204
AUTH_OPEN = 0
AUTH_WEP = 1
AUTH_WPA_PSK = 2
AUTH_WPA2_PSK = 3
AUTH_WPA_WPA2_PSK = 4
AUTH_WPA2_ENTERPRISE = 5
AUTH_WPA3_PSK = 6
AUTH_WPA2_WPA3_PSK = 7

_hostname = "mpy-esp32"


def hostname(name=None):
    global _hostname
    if name is not None:
        _hostname = name
    return _hostname


def country(code=None):
    return "XX"


class WLAN:
    IF_STA = STA_IF
    IF_AP = AP_IF
    SEC_OPEN = AUTH_OPEN
    SEC_WPA2 = AUTH_WPA2_PSK
    SEC_WPA2_WPA3 = AUTH_WPA2_WPA3_PSK
    SEC_WPA3 = AUTH_WPA3_PSK
    PM_NONE = 0
    PM_PERFORMANCE = 1
    PM_POWERSAVE = 2

    def __init__(self, interface_id=STA_IF):
        if interface_id not in (STA_IF, AP_IF):
            raise ValueError("invalid WLAN interface identifier")
        self._id = interface_id

    def active(self, is_active=None):
        if is_active is None:
            return world.ask("wlan.active", self._id)
        if is_active and self._id == AP_IF:
            idf_heap.access_point_opened()
        return world.ask("wlan.activate", self._id, bool(is_active))

    def connect(self, ssid=None, key=None, *, bssid=None):
        # The driver's buffers: 32 and 64 bytes, the rest is cut silently (esp_wifi_types.h).
        name = None if ssid is None else world.to_hex(_bytes(ssid)[:32])
        password = None if key is None else world.to_hex(_bytes(key)[:64])
        world.ask("wlan.connect", name, password)

    def disconnect(self):
        world.ask("wlan.disconnect")

    def isconnected(self):
        return world.ask("wlan.isconnected", self._id)

    def status(self, param=None):
        if param == "stations":
            return [(world.from_hex(mac),) for mac in world.ask("wlan.stations")]
        if param == "rssi":
            return world.ask("wlan.rssi")
        if param is not None:
            raise ValueError("unknown status param")
        return world.ask("wlan.status", self._id)

    def scan(self):
        return [
            (world.from_hex(ssid), world.from_hex(bssid), channel, rssi, authmode, hidden)
            for ssid, bssid, channel, rssi, authmode, hidden in world.ask("wlan.scan")
        ]

    def ifconfig(self, configtuple=None):
        if configtuple is None:
            return tuple(world.ask("wlan.ifconfig", self._id))
        world.ask("wlan.set_ifconfig", self._id, list(configtuple))
        return None

    def config(self, *args, **kwargs):
        if args:
            if len(args) > 1 or kwargs:
                raise TypeError("either pos or kw args are allowed")
            return self._get(args[0])
        world.ask("wlan.configure", self._id, kwargs)
        return None

    def _get(self, name):
        value = world.ask("wlan.config", self._id, name)
        if name == "mac":
            return world.from_hex(value)
        if name in ("ssid", "essid"):
            return str(world.from_hex(value), "utf-8")
        return value


def _bytes(text):
    return text.encode() if isinstance(text, str) else bytes(text)
