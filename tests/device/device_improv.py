"""Improv over serial without a serial port: frames, Ctrl-C among them, and what is answered."""

import sys

from mote import config, failure
from mote.failure import Failure
from mote.improv import conversation, frames
from mote.improv.frames import frame, result
from mote.portal.request import Request
from mote.portal.site import FAILED, SAVED, TRYING, Site

# A test must not write into the root of this machine.
config.PATH, config._NEW = "build/improv-test.json", "build/improv-test.new"

# From the protocol's own description (https://www.improv-wifi.com/serial/).
GET_STATE = b"IMPROV\x01\x03\x02\x02\x00\xe5"
GET_INFO = b"IMPROV\x01\x03\x02\x03\x00\xe6"
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
    "mqtt": {
        "host": "broker", "port": 8883, "user": "u", "password": "p", "tls": True,
        "insecure": False, "ca": "its certificate",
    },
    "interval": 60,
}  # fmt: skip


class Network:
    """As `mote.wifi.scan` lists them, without a radio."""

    bars, security = 4, "WPA2"

    def __init__(self, ssid, rssi, secured=True, supported=True):
        self.ssid, self.rssi, self.secured, self.supported = ssid, rssi, secured, supported


class Board:
    """What site and conversation need of a board."""

    chip = "ESP32C3"
    may_be_named = True

    def __init__(self):
        self.tried = []
        self.joined = ""
        self.searches = 0

    def scan(self):
        return [Network("Home", -48), Network("Company", -50, supported=False)]

    def own_addresses(self):
        return ("192.168.4.1",)

    def start_trial(self, document, stay):
        self.tried.append((document, stay))

    def search(self):
        self.searches += 1
        return True

    def address(self):
        return self.joined

    def page_url(self):
        return "http://%s/word/" % self.joined


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


def command(kind, body=b""):
    return bytes((kind, len(body))) + body


def settings(ssid, password):
    return command(1, bytes((len(ssid),)) + ssid + bytes((len(password),)) + password)


def test_frames_are_built_as_the_protocol_says():
    assert frame(frames.STATE, b"\x02") == READY
    assert frame(frames.COMMAND, b"\x02\x00") == b"\n" + GET_STATE + b"\n"
    assert result(3, ("a", "", "é")) == b"\nIMPROV\x01\x04\x08\x03\x06\x01a\x00\x02\xc3\xa9\xc3\n"
    assert result(2, ()) == b"\nIMPROV\x01\x04\x02\x02\x00\xe6\n"


def test_a_new_board_is_ready_and_says_who_it_is():
    talk = Talk()
    assert talk.after(b"\x02\x00") == READY
    release = "%d.%d.%d" % sys.implementation.version[:3]
    texts = ("Mote", conversation.__version__, "ESP32-C3", "IOT_1", "MicroPython", release)
    assert talk.after(b"\x03\x00") == result(3, texts)
    assert talk.told() == b"", "it was told"


def test_networks_are_listed_and_looked_for_when_somebody_goes_on_asking():
    talk = Talk()
    listed = result(4, ("Home", "-48", "YES")) + result(4, ())
    assert talk.after(b"\x04\x00") == listed
    talk.site.networks.append(Network("Café ☕", -70, False))
    listed = listed[: -len(result(4, ()))] + result(4, ("Café ☕", "-70", "NO")) + result(4, ())
    assert talk.after(b"\x04\x00") == listed and talk.board.searches == 2


def test_what_is_damaged_or_unknown_changes_nothing():
    talk = Talk()
    for bad in (b"", b"\x02", b"\x02\x01", b"\x01\x00", b"\x01\x02\x05a", b"\x06\x01\xff"):
        assert talk.after(bad) == INVALID, bad
    assert talk.after(command(1, b"\x01a")) == INVALID, "the password is missing"
    assert talk.after(command(1, b"\x02\xff\xff\x00")) == INVALID, "no UTF-8"
    assert talk.after(b"\x63\x00") == UNKNOWN
    talk.sent = b""
    for byte in GET_STATE[7:-1] + b"\xe4":
        last = talk.talk.take(byte)
    assert last
    assert talk.sent == INVALID
    for byte in frame(frames.STATE, b"\x02")[8:-1]:
        talk.talk.take(byte)
    assert talk.sent == INVALID, "what is no command is for somebody else"
    assert talk.board.tried == []
    assert talk.after(b"\x02\x00") == NO_ERROR + READY


def test_the_name_is_told_and_changed_to_one_that_a_topic_can_hold():
    talk = Talk()
    assert talk.after(b"\x06\x00") == result(6, ("IOT_1",))
    assert talk.after(command(6, b"plant one")) == BAD_NAME
    assert talk.after(command(6, b"plant1")) == result(6, ("plant1",))
    talk.after(settings(b"Home", b"home secret"))
    assert talk.board.tried[0][0]["id"] == "plant1"


def test_a_wrong_password_is_said_after_the_trial():
    talk = Talk()
    talk.after(b"\x02\x00")
    assert talk.after(settings(b"Home", b"wrong secret")) == b""
    assert talk.told() == PROVISIONING
    assert talk.after(settings(b"Home", b"another")) == NOT_CONNECTED, "one at a time"
    assert talk.told() == b""
    talk.site.failed_with(Failure(failure.WRONG_PASSWORD))
    assert talk.told() == READY + NOT_CONNECTED
    assert talk.after(settings(b"Home", b"home secret")) == NO_ERROR
    assert talk.told() == PROVISIONING
    assert [document["wifi"][0]["password"] for document, _ in talk.board.tried] == [
        "wrong secret",
        "home secret",
    ]


def test_a_client_that_asks_for_the_state_all_the_while_is_told_the_end_too():
    talk = Talk()
    talk.after(settings(b"Home", b"wrong secret"))
    talk.site.failed_with(Failure(failure.WRONG_PASSWORD))
    assert talk.after(b"\x02\x00") == READY
    assert talk.told() == NOT_CONNECTED and talk.told() == b""


def test_a_password_that_no_network_has_is_refused_without_a_trial():
    talk = Talk()
    for ssid, password in ((b"", b"home secret"), (b"x" * 33, b""), (b"Home", b"short")):
        assert talk.after(settings(ssid, password)).endswith(NOT_CONNECTED)
    assert talk.board.tried == []


def test_a_new_board_without_a_server_leads_to_its_own_page():
    talk = Talk()
    talk.after(settings(b"Home", b"home secret"))
    document, stay = talk.board.tried[0]
    assert document["mqtt"]["host"] == "" and stay
    talk.told()
    talk.board.joined = "192.168.50.20"
    assert talk.told() == b"", "the trial still looks for the server"
    talk.site.failed_with(Failure(failure.NO_SERVER))
    url = ("http://192.168.50.20/word/",)
    assert talk.told() == PROVISIONED + result(1, url)
    assert talk.after(b"\x02\x00") == PROVISIONED + result(2, url)
    assert talk.site.state == FAILED and not talk.site.can_save


async def test_a_server_that_was_found_and_wants_a_login_is_on_the_page():
    talk = Talk()
    talk.after(settings(b"Home", b"home secret"))
    document, _ = talk.board.tried[0]
    talk.board.joined = "192.168.50.20"
    # As the trial fills it in.
    document["mqtt"]["host"] = "hub.local"
    talk.site.failed_with(Failure(failure.BAD_LOGIN))
    asked = Request("GET", "/", {"host": "192.168.50.20"}, b"")
    page = str(b"".join((await talk.site.serve(asked)).body), "utf-8")
    assert 'value="hub.local"' in page and "home secret" not in page


def test_a_server_that_was_found_ends_it_without_a_page():
    talk = Talk()
    talk.after(settings(b"Home", b"home secret"))
    talk.told()
    document, _ = talk.board.tried[0]
    document["mqtt"]["host"] = "hub.local"
    talk.site.succeeded(document)
    assert not talk.site.told_saved
    assert talk.told() == PROVISIONED + result(1, ())
    assert talk.site.told_saved and config.load()["mqtt"]["host"] == "hub.local"
    assert talk.after(b"\x02\x00") == PROVISIONED + result(2, ())
    assert talk.after(settings(b"Home", b"home secret")) == NOT_CONNECTED


def test_a_board_with_a_server_keeps_it_and_needs_no_more_than_the_wifi():
    talk = Talk(KNOWN)
    talk.after(settings(b"Home", b"home secret"))
    talk.told()
    talk.board.joined = "192.168.50.20"
    # The server may be down just now: it is as right as it was.
    talk.site.failed_with(Failure(failure.REFUSED))
    assert talk.site.state == SAVED and talk.told() == PROVISIONED + result(1, ())
    saved = config.load()
    assert saved["mqtt"] == KNOWN["mqtt"] and saved["id"] == "IOT_1" and saved["interval"] == 60
    assert [one["ssid"] for one in saved["wifi"]] == ["Home", "Old"]


async def test_a_login_that_is_not_for_this_network_is_asked_for_on_the_page():
    # Without a CA anybody in another network could be the server.
    for mqtt in ({"tls": False, "port": 1883}, {"insecure": True, "ca": ""}):
        talk = Talk(dict(KNOWN, mqtt=dict(KNOWN["mqtt"], **mqtt)))
        talk.after(settings(b"Home", b"home secret"))
        document, stay = talk.board.tried[0]
        assert document["mqtt"]["password"] == "" and stay
        talk.told()
        talk.board.joined = "192.168.50.20"
        talk.site.failed_with(Failure(failure.PASSWORD_NEEDED))
        # The WiFi is right; nothing is saved before the rest is.
        assert talk.site.state == FAILED and not talk.site.can_save
        assert talk.told() == PROVISIONED + result(1, ("http://192.168.50.20/word/",))
        asked = Request("GET", "/progress", {"host": "192.168.50.20"}, b"")
        page = str(b"".join((await talk.site.serve(asked)).body), "utf-8")
        assert "The MQTT password is needed once more" in page
        # The network that it has may carry it, as before.
        talk = Talk(dict(KNOWN, mqtt=dict(KNOWN["mqtt"], **mqtt)))
        talk.after(settings(b"Old", b"old secret"))
        assert talk.board.tried[0][0]["mqtt"]["password"] == "p"
        # The same name with another passphrase is another network.
        talk = Talk(dict(KNOWN, mqtt=dict(KNOWN["mqtt"], **mqtt)))
        talk.after(settings(b"Old", b"another secret"))
        assert talk.board.tried[0][0]["mqtt"]["password"] == ""


async def test_what_a_phone_entered_wrongly_does_not_keep_an_installer_away():
    for known in (None, KNOWN):
        talk = Talk(known)
        entries = b"id=plant1&ssid=Home&host=h&interval=never&token=" + talk.site.token.encode()
        refused = Request("POST", "/save", {"host": "192.168.4.1"}, entries)
        assert (await talk.site.handle(refused)).status == 422
        assert talk.after(settings(b"Home", b"home secret")) == b""
        document, _ = talk.board.tried[0]
        assert document["wifi"][0]["password"] == "home secret"


def test_a_board_with_a_server_saves_nothing_while_the_wifi_is_wrong():
    for reason in (failure.WRONG_PASSWORD, failure.NETWORK_NOT_FOUND, failure.NO_ADDRESS):
        talk = Talk(KNOWN)
        talk.after(settings(b"Home", b"home secret"))
        talk.told()
        talk.site.failed_with(Failure(reason))
        assert talk.site.state == FAILED and talk.told() == READY + NOT_CONNECTED


def test_what_a_phone_does_meanwhile_is_told_as_well():
    talk = Talk()
    talk.after(b"\x02\x00")
    talk.site.state = TRYING
    assert talk.told() == PROVISIONING
    talk.site.state = FAILED
    assert talk.told() == READY, "and no error: the client asked for nothing"
