"""A board, its portal and a client of Improv, for the tests of what they say to each other."""

from mote import config
from mote.console import INTERRUPT, Reader
from mote.improv import conversation, frames
from mote.improv.frames import content
from mote.portal.site import Site

# A test must not write into the root of this machine.
config.PATH, config._NEW = "build/improv-test.json", "build/improv-test.new"

# From the protocol's own description (https://www.improv-wifi.com/serial/).
GET_STATE = b"IMPROV\x01\x03\x02\x02\x00\xe5"
GET_INFO = b"IMPROV\x01\x03\x02\x03\x00\xe6"
STATE_ASKED, INFO_ASKED = (frames.COMMAND, b"\x02\x00"), (frames.COMMAND, b"\x03\x00")
SETTINGS = b"\x01\x1e\x0cMyWirelessAP\x10mysecurepassword"
READY = b"\nIMPROV\x01\x01\x01\x02\xe2\n"
PROVISIONING = b"\nIMPROV\x01\x01\x01\x03\xe3\n"
PROVISIONED = b"\nIMPROV\x01\x01\x01\x04\xe4\n"
NO_ERROR, INVALID, UNKNOWN, NOT_CONNECTED, BAD_NAME = (
    b"\nIMPROV\x01\x02\x01" + bytes((error, (0xE1 + error) & 255)) + b"\n"
    for error in (0, 1, 2, 3, 5)
)
KNOWN = {
    "version": 1,
    "id": "plant1",
    "wifi": [{"ssid": "Old", "password": "old secret"}],
    "mqtt": {"host": "broker", "port": 8883, "user": "u", "password": "p", "tls": True, "ca": ""},
    "interval": 60,
}


class Network:
    """As `mote.wifi.scan` lists them, without a radio."""

    bars, security = 4, "WPA2"

    def __init__(self, ssid, rssi, secured=True, supported=True):
        self.ssid, self.rssi, self.secured, self.supported = ssid, rssi, secured, supported


class Board:
    """What site and conversation need of a board."""

    chip = "ESP32C3"

    def __init__(self):
        self.tried = []
        self.joined = ""
        self.searches = 0

    def scan(self):
        return [Network("Home", -48), Network("Company", -50, supported=False)]

    def own_addresses(self):
        return ("192.168.4.1", self.joined)

    def start_trial(self, document, stay):
        self.tried.append((document, stay))

    def search(self):
        self.searches += 1
        return True

    def address(self):
        return self.joined


class Talk:
    """A client, a site and a board; what the client was sent since it last asked."""

    def __init__(self, settings=None):
        self.board = Board()
        self.site = Site(self.board, "IOT_1", settings, "new")
        self.sent = b""
        conversation._send = self.heard
        self.talk = conversation.Conversation(self.site, self.board)

    def heard(self, data):
        self.sent += data

    def after(self, command):
        self.sent = b""
        self.talk.answer(command)
        return self.sent

    def told(self):
        self.sent = b""
        self.talk.tell()
        return self.sent


def taken(data, reader=None):
    reader = reader or Reader()
    found = [one for one in (reader.take(byte) for byte in data) if one]
    return [one if one == INTERRUPT else content(one) for one in found]


def command(kind, body=b""):
    return bytes((kind, len(body))) + body


def settings(ssid, password):
    return command(1, bytes((len(ssid),)) + ssid + bytes((len(password),)) + password)
