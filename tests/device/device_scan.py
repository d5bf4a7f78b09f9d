"""Which WiFi networks are listed: whatever is on the air, the page and the settings can hold it."""

import random
import sys


class _Radio:
    heard = ()

    def active(self, on):
        pass

    def scan(self):
        if isinstance(self.heard, BaseException):
            raise self.heard
        return list(self.heard)


class _Network:
    STA_IF = 0

    WLAN = staticmethod(lambda interface: _Radio())


# The runtime has no radio.
sys.modules["network"] = _Network

from mote import config  # noqa: E402
from mote.portal.page import escape  # noqa: E402
from mote.wifi import scan  # noqa: E402


def listed(*names, rssi=-60, authmode=3):
    _Radio.heard = [(name, b"\2\0\0\0\0\1", 1, rssi, authmode, False) for name in names]
    return [one.ssid for one in scan.networks()]


def can_be_saved(ssid):
    document = {"version": 1, "id": "a", "wifi": [{"ssid": ssid}], "mqtt": {"host": "h"}}
    try:
        config.checked(document)
        return True
    except config.ConfigError:
        return False


def test_names_that_no_setting_can_hold_are_left_out():
    bad = (
        b"", b"\0" * 32, b"a\0b", b"\xff\xfe", b"caf\xe9", b"\xed\xa0\x80", b"\xc0\xafx",
        b"\xf4\x90\x80\x80", b"\xe2\x98", b"x" * 33, bytes(range(128, 160)),
    )  # fmt: skip
    assert listed(*bad) == []
    good = ("Home", "Café ☕", "x" * 32, "<b>\"'&", " ", "😀" * 8, "tab\there")
    assert sorted(listed(*[name.encode() for name in good])) == sorted(good)
    # The driver may leave the rest of its 32 bytes behind the name.
    assert listed(b"Home" + bytes(28)) == ["Home"]


def test_of_a_crowd_the_strongest_are_listed():
    _Radio.heard = [
        (b"net%d" % number, b"\2\0\0\0\0\1", 1, -99 + number % 90, 3, False)
        for number in range(500)
    ]
    found = scan.networks()
    assert len(found) == 24
    assert found[0].rssi == -10 and [one.rssi for one in found] == sorted(
        [one.rssi for one in found], reverse=True
    )
    assert min(one.rssi for one in found) >= -14


def test_of_one_name_the_strongest_counts():
    _Radio.heard = [
        (b"Home", b"\2\0\0\0\0\1", 1, -80, 0, False),
        (b"Home", b"\2\0\0\0\0\2", 6, -40, 3, False),
    ]
    (found,) = scan.networks()
    assert (found.rssi, found.security) == (-40, "WPA2")


def test_a_scan_that_finds_no_memory_finds_no_networks():
    for error in (MemoryError(), OSError(5)):
        _Radio.heard = error
        assert scan.networks() == []


def test_ten_thousand_random_names_are_listed_only_where_they_can_be_saved():
    random.seed(13)
    pieces = (b"Home", b"\0", b"\xc3", b"\xa9", "ü".encode(), "😀".encode(), b"\xed\xb0\x80", b"<")
    for _ in range(10_000 // 25):
        names = []
        for _ in range(25):
            name = b"".join(random.choice(pieces) for _ in range(random.randrange(1, 7)))
            if random.getrandbits(2) == 0:
                name = bytes(random.getrandbits(8) for _ in range(random.randrange(33)))
            names.append(name)
        for ssid in listed(*names, rssi=random.randrange(-100, 100)):
            assert can_be_saved(ssid), ssid
            assert escape(ssid)
