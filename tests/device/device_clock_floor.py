"""The time before which none is believed: the build of the firmware, and the last good time."""

import sys

NVS = {}
BOARD = {}


class _Nvs:
    def __init__(self, name):
        pass

    def get_i32(self, key):
        if key not in NVS:
            raise OSError(key)
        return NVS[key]

    def set_i32(self, key, value):
        assert -(1 << 31) <= value < 1 << 31
        NVS[key] = value

    def commit(self):
        pass


class _Esp32:
    NVS = _Nvs


class _Board:
    @staticmethod
    def profile():
        return BOARD


# The runtime is no chip.
sys.modules["esp32"], sys.modules["mote.board"] = _Esp32, _Board

from clock_world import NOW_MS, World  # noqa: E402
from mote import memory  # noqa: E402
from mote.clock import floor, judging  # noqa: E402
from mote.clock.clock import FIRST_MS  # noqa: E402

memory.forget = lambda *modules: None
DAY_MS = 86_400_000
VERIFIED = {"tls": True, "ca": "a CA"}
A, B, C = "a", "b", "c"


def test_it_is_the_build_or_the_last_good_time_where_certificates_are_judged():
    NVS.clear()
    BOARD["built"] = NOW_MS // 1000
    assert floor.read(VERIFIED) == NOW_MS // 1000 * 1000
    for plain in ({"tls": False, "ca": "a CA"}, {"tls": True, "ca": ""}):
        assert floor.read(plain) == FIRST_MS
    NVS[floor.KEY] = (NOW_MS + DAY_MS) // 60_000
    assert floor.read(VERIFIED) == (NOW_MS + DAY_MS) // 60_000 * 60_000
    del BOARD["built"]
    NVS.clear()
    assert floor.read(VERIFIED) == FIRST_MS


async def kept(servers, online=True, floor_ms=FIRST_MS + 1, hours=3):
    """What is kept after some hours with such servers, in unix ms; None is nothing."""
    NVS.clear()
    world = World(servers)
    clock = world.clock(floor_ms)
    for _ in range(hours * 2 + 1):
        clock.online = online
        await clock.poll((A, B, C))
        world.pass_ms(1_800_000)
    return NVS[floor.KEY] * 60_000 if NVS else None


async def test_a_good_time_is_one_that_two_have_confirmed_while_a_certificate_was_valid():
    good = {A: 0, B: 0, C: 0}
    assert NOW_MS < await kept(good) < NOW_MS + 2 * 3_600_000
    # Once a day.
    assert NOW_MS + 47 * 3_600_000 < await kept(good, hours=49) <= NOW_MS + 50 * 3_600_000
    assert await kept(good, online=False) is None
    assert await kept(good, floor_ms=FIRST_MS) is None
    assert await kept(good, hours=0) is None
    # One that is alone may be wrong.
    assert await kept({A: 365 * DAY_MS}) is None
    assert judging._GOOD_MS == 3_600_000
