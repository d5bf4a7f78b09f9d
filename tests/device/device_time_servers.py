"""A certificate is judged by a clock that was set: by whoever knows the time."""

import sys

from clock_world import NOW_MS, World
from mote import certificate_time, contract, failure, memory
from mote.clock import clock, rtc
from mote.failure import Failure

BROKER, GATEWAY = "broker.example", "192.168.1.1"
KNOWN = list(contract.NTP_SERVERS) + [BROKER, GATEWAY]  # noqa: RUF005
SETTINGS = {"mqtt": {"host": BROKER, "tls": True, "ca": "a CA"}}


class Station:
    @staticmethod
    def gateway():
        return GATEWAY


class Floor:
    """What the build of the firmware, or an earlier start, knows of the time."""

    ms = clock.FIRST_MS

    @staticmethod
    def clock(server):
        return clock.Clock(floor_ms=Floor.ms)


# The runtime has no radio and no NVS.
sys.modules["mote.wifi.station"] = Station
sys.modules["mote.clock.floor"] = Floor
memory.forget = lambda *modules: None


def world(servers, rtc_ms=0):
    """What these servers know is all that is known; `asked` lists whom the board asks."""
    made = World(servers, rtc_ms=rtc_ms)
    made.clock()
    clock._asked = made._ask
    return made


async def test_without_an_answer_the_clock_is_what_is_wrong():
    asked = world({}).asked
    try:
        await certificate_time.ensure(SETTINGS)
    except Failure as found:
        assert found.reason == failure.TLS and "clock" in found.detail, found
        assert asked == KNOWN, asked
        return
    raise AssertionError("no failure")


async def test_in_a_network_without_the_internet_the_broker_tells_the_time():
    for name in (BROKER, GATEWAY):
        there = world({name: 0})
        await certificate_time.ensure(SETTINGS)
        (written,) = there.rtc
        # The runtime goes on while it asks.
        assert 0 <= written - NOW_MS < 5000, there.rtc
        assert rtc.write == there.rtc.append


async def test_after_a_refused_certificate_the_time_is_asked_for_anew():
    year_ms = 365 * 86_400_000
    names = contract.NTP_SERVERS
    there = world({names[0]: 0, names[1]: 0}, NOW_MS + year_ms)
    await certificate_time.ensure(SETTINGS, again=True)
    assert there.asked == list(names[:2])
    assert 0 <= there.rtc[-1] - NOW_MS < 5000


async def test_a_time_before_the_floor_makes_no_certificate_good():
    Floor.ms = NOW_MS - 1000
    try:
        for rtc_ms in (0, NOW_MS - 2000):
            there = world(dict.fromkeys(KNOWN, -86_400_000), rtc_ms)
            try:
                await certificate_time.ensure(SETTINGS)
            except Failure as found:
                assert found.reason == failure.TLS and "is behind" in found.detail, found
                assert there.rtc == []
            else:
                raise AssertionError("no failure")
    finally:
        Floor.ms = clock.FIRST_MS


async def test_nobody_is_asked_who_need_not_be():
    plain = {"mqtt": {"host": BROKER, "tls": False, "ca": "a CA"}}
    unverified = {"mqtt": {"host": BROKER, "tls": True, "ca": ""}}
    for settings, rtc_ms in ((plain, 0), (unverified, 0), (SETTINGS, NOW_MS)):
        there = world({}, rtc_ms)
        await certificate_time.ensure(settings)
        assert there.asked == []
