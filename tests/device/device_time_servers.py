"""A certificate is judged by a clock that was set: by whoever knows the time."""

import sys

from clock_world import NOW_MS, World
from mote import contract, failure, time_servers
from mote.clock import clock, rtc
from mote.failure import Failure

BROKER, GATEWAY = "broker.example", "192.168.1.1"
KNOWN = list(contract.NTP_SERVERS) + [BROKER, GATEWAY]  # noqa: RUF005
SETTINGS = {"mqtt": {"host": BROKER, "tls": True, "ca": "a CA"}}


class Station:
    @staticmethod
    def gateway():
        return GATEWAY


# The runtime has no radio.
sys.modules["mote.wifi.station"] = Station


def world(servers, rtc_ms=0):
    """What these servers know is all that is known; `asked` lists whom the board asks."""
    made = World(servers, rtc_ms=rtc_ms)
    made.clock()
    clock._asked = made._ask
    return made


async def test_without_an_answer_the_clock_is_what_is_wrong():
    asked = world({}).asked
    try:
        await time_servers.date_certificates(SETTINGS)
    except Failure as found:
        assert found.reason == failure.TLS and "clock" in found.detail, found
        assert asked == KNOWN, asked
        return
    raise AssertionError("no failure")


async def test_in_a_network_without_the_internet_the_broker_tells_the_time():
    for name in (BROKER, GATEWAY):
        there = world({name: 0})
        await time_servers.date_certificates(SETTINGS)
        (written,) = there.rtc
        # The runtime goes on while it asks.
        assert 0 <= written - NOW_MS < 5000, there.rtc
        assert rtc.write == there.rtc.append


async def test_nobody_is_asked_who_need_not_be():
    plain = {"mqtt": {"host": BROKER, "tls": False, "ca": "a CA"}}
    unverified = {"mqtt": {"host": BROKER, "tls": True, "ca": ""}}
    for settings, rtc_ms in ((plain, 0), (unverified, 0), (SETTINGS, NOW_MS)):
        there = world({}, rtc_ms)
        await time_servers.date_certificates(settings)
        assert there.asked == []
