"""The clock and its servers: whom it asks, and whom it believes."""

import asyncio
from errno import ETIMEDOUT

from clock_world import NOW_MS, World
from mote.clock import clock as module
from mote.clock import judging, sntp

HOUR_MS = 3_600_000
HALF_HOUR_MS = HOUR_MS // 2
YEAR_MS = 365 * 24 * HOUR_MS
A, B, C, D, E = "a", "b", "c", "d", "e"


async def test_it_knows_nothing_before_the_first_answer():
    world = World({})
    clock = world.clock()
    assert not clock.known and clock.now_ms() is None and clock.boot_ms() is None
    assert not await clock.poll((A, B))
    assert not clock.known
    world.servers = {B: 0}
    assert await clock.poll((A, B))
    assert clock.known and clock.now_ms() == world.true_ms
    assert world.rtc == [world.true_ms]
    assert type(clock.now_ms()) is int and type(clock.ppm) is int


async def test_an_rtc_that_survived_the_reset_is_known_at_once():
    world = World({A: 0}, rtc_ms=NOW_MS - 700)
    clock = world.clock()
    assert clock.known and clock.now_ms() == NOW_MS - 700
    # As after a power-on.
    assert not World({}, rtc_ms=946_684_800_123).clock().known
    assert not World({}, rtc_ms=module.FIRST_MS - 1).clock().known
    assert World({}, rtc_ms=module.FIRST_MS).clock().known


async def test_an_rtc_has_no_voice_against_a_server():
    for off_ms in (-90_000, -30_000, 30_000, 90_000):
        world = World({B: 0}, rtc_ms=NOW_MS + off_ms)
        clock = world.clock()
        assert await clock.poll((A, B, C))
        world.pass_ms(30_000 * module.SLEW)
        assert world.error_ms(clock) == 0 and not clock.sure
        # Far ahead, what it has dated is wrong: also what an earlier start has dated in the future.
        steps = {-90_000: [(NOW_MS - 90_000, -90_000, True)], 90_000: [(NOW_MS, 90_000, True)]}
        assert world.steps == steps.get(off_ms, [])


async def test_one_wrong_first_answer_moves_nothing():
    for off_ms in (-YEAR_MS // 4, YEAR_MS, 10 * YEAR_MS, 3000):
        for wrong in ((A,), (B,), (C,), (A, D)):
            world = World({A: 0, B: 0, C: 0, D: 0})
            for number, name in enumerate(wrong):
                world.servers[name] = off_ms * (1 + number)
            clock = world.clock()
            assert await clock.poll((A, B, C, D))
            assert world.error_ms(clock) == 0 and clock.sure and not world.steps


async def test_one_server_under_two_names_is_no_second_one():
    world = World({A: YEAR_MS, B: YEAR_MS, C: 0, D: 0})
    world.addresses = {A: "10.0.0.1", B: "10.0.0.1"}
    clock = world.clock()
    assert await clock.poll((A, B, C, D))
    assert world.error_ms(clock) == 0 and clock.sure


async def test_alone_in_a_network_one_server_is_believed_until_there_are_two():
    world = World({D: YEAR_MS})
    clock = world.clock()
    assert await clock.poll((A, B, C, D))
    assert clock.known and not clock.sure and world.error_ms(clock) == YEAR_MS
    set_ms = clock.now_ms()
    world.pass_ms(240_000)
    # Nobody else is there: it is asked, and no name is looked up in vain.
    world.asked = []
    assert await clock.poll((A, B, C, D))
    assert world.asked == [D] and not clock.sure
    # The hub's computer was set right: whoever has nobody else follows.
    world.servers = {D: 0}
    assert await clock.poll((A, B, C, D))
    assert world.error_ms(clock) == 0 and world.steps == [(set_ms, YEAR_MS, True)]
    # And the internet is back.
    world.pass_ms(judging.REST_MS)
    world.servers = {A: 0, D: 0}
    assert await clock.poll((A, B, C, D))
    assert clock.sure and len(world.steps) == 1


async def test_a_wrong_one_that_was_alone_is_outvoted_and_what_it_dated_is_told():
    for off_ms in (YEAR_MS, -YEAR_MS // 4):
        world = World({A: off_ms})
        clock = world.clock()
        assert await clock.poll((A, B, C))
        set_ms = clock.now_ms()
        for _ in range(3):
            world.pass_ms(HALF_HOUR_MS)
            assert await clock.poll((A, B, C))
        world.pass_ms(judging.REST_MS)
        world.servers = {A: off_ms, B: 0, C: 0}
        assert await clock.poll((A, B, C))
        assert world.error_ms(clock) == 0 and clock.sure
        assert world.steps == [(set_ms, off_ms, True)]
        assert world.rtc[-1] == world.true_ms


async def test_where_two_contradict_each_other_the_mqtt_server_counts():
    world = World({A: YEAR_MS, D: 0})
    clock = world.clock()
    assert await clock.poll((A, B, C, D, E))
    assert world.error_ms(clock) == 0 and not clock.sure
    # Without it nobody knows.
    world = World({A: YEAR_MS, B: 0})
    clock = world.clock()
    assert not await clock.poll((A, B, C, D, E))
    assert not clock.known and world.rtc == []


async def test_a_confirmed_clock_tells_what_was_dated_since_it_was_right():
    world = World({A: 0, B: 0, C: 0})
    clock = world.clock()
    assert await clock.poll((A, B, C))
    world.pass_ms(HALF_HOUR_MS)
    assert await clock.poll((A, B, C))
    right_ms = clock.now_ms()
    world.pass_ms(HALF_HOUR_MS)
    world.servers = {A: -HOUR_MS, B: -HOUR_MS, C: -HOUR_MS}
    assert await clock.poll((A, B, C))
    assert world.error_ms(clock) == -HOUR_MS
    assert world.steps == [(right_ms, HOUR_MS, False)]


async def test_no_time_before_the_floor_is_believed_however_many_tell_it():
    floor_ms = NOW_MS - HOUR_MS
    world = World({A: -YEAR_MS, B: -YEAR_MS, C: -YEAR_MS})
    clock = world.clock(floor_ms)
    assert not await clock.poll((A, B, C))
    assert not clock.known and clock.too_early
    world.servers = {A: -YEAR_MS, B: -YEAR_MS, C: -60_000}
    world.pass_ms(judging.REST_MS)
    assert await clock.poll((A, B, C))
    assert world.error_ms(clock) == -60_000
    # Nor is an RTC that somebody has set back.
    assert not World({}, rtc_ms=floor_ms - 1).clock(floor_ms).known


async def test_one_falseticker_moves_nothing():
    for off_ms in (-86_400_000, -3000, 3000, HOUR_MS, 10**12):
        world = World({A: 0, B: 0, C: 0})
        clock = world.clock()
        assert await clock.poll((A, B, C))
        world.servers[B] = off_ms
        for _ in range(6):
            world.pass_ms(HALF_HOUR_MS)
            assert await clock.poll((A, B, C))
            assert world.error_ms(clock) == 0, off_ms
        assert abs(world.rtc[-1] - world.true_ms) < HALF_HOUR_MS


async def test_a_falseticker_beside_another_moves_nothing():
    for others in ({B: -70_000}, {B: -70_000, C: 500_000}, {B: 0}):
        for first in ({A: 0}, {A: 0, B: 0}):
            world = World(first)
            clock = world.clock()
            assert await clock.poll((A, B, C))
            world.servers = {A: 50_000}
            world.servers.update(others)
            for _ in range(6):
                world.pass_ms(HALF_HOUR_MS)
                assert await clock.poll((A, B, C))
            assert world.error_ms(clock) == 0, others


async def test_a_confirmed_clock_does_not_follow_one_alone():
    world = World({A: 0, B: 0})
    clock = world.clock()
    assert await clock.poll((A, B, C))
    world.servers = {A: YEAR_MS}
    for _ in range(6):
        world.pass_ms(HALF_HOUR_MS)
        assert await clock.poll((A, B, C))
    assert world.error_ms(clock) == 0


async def test_no_more_than_three_judge_a_confirmed_clock():
    world = World({A: 10_000, B: 10_000})
    clock = world.clock()
    await clock.poll((A, B))
    assert clock.sure
    world.servers = {A: 0, B: 90_000, C: -90_000, D: 0}
    world.asked = []
    await clock.poll((A, B, C, D))
    assert len(world.asked) == 3 and world.error_ms(clock) == 10_000
    # Two agree, and it is on its way: then one is enough.
    world.servers = {A: 0, B: 0, C: 0}
    await clock.poll((A, B, C))
    world.asked = []
    world.pass_ms(60_000)
    await clock.poll((A, B, C))
    assert world.error_ms(clock) > 5000 and len(world.asked) == 1


async def test_after_a_long_time_alone_the_crystal_is_no_witness():
    world = World({A: 0}, crystal_ppm=120)
    clock = world.clock()
    assert await clock.poll((A, B))
    world.pass_ms(14 * 24 * HOUR_MS)
    assert world.error_ms(clock) < -140_000
    assert await clock.poll((A, B))
    assert world.error_ms(clock) == 0


async def test_a_server_that_was_never_set_is_no_answer():
    world = World({A: -NOW_MS + 5_000_000, B: 0})
    clock = world.clock()
    assert await clock.poll((A, B))
    assert world.error_ms(clock) == 0


async def test_three_are_asked_in_turn_and_the_rest_when_they_are_silent():
    world = World({A: 0, B: 0, C: 0, D: 0})
    clock = world.clock()
    names = (A, "", B, A, None, C, D)
    # Two the first time.
    for _ in range(4):
        await clock.poll(names)
    assert world.asked == [A, B, B, C, A]
    world.asked, world.servers = [], {D: 0}
    await clock.poll(names)
    assert world.asked == [B, C, A, D]
    # Who has no address is asked last for some hours: its lookup may stop everything.
    world.asked = []
    await clock.poll(names)
    assert world.asked == [D]
    world.asked, world.servers = [], {B: 0}
    await clock.poll(names)
    assert world.asked == [D, A, B]
    world.asked = []
    world.pass_ms(judging.REST_MS)
    await clock.poll(names)
    assert world.asked == [B]


async def test_one_lost_packet_is_no_reason_to_ask_the_fall_back():
    world = World({A: OSError(ETIMEDOUT), B: OSError(ETIMEDOUT), C: OSError(ETIMEDOUT), D: 0})
    clock = world.clock()
    for names in ([A, B, C, D], [B, C, A, D]):
        world.asked = []
        await clock.poll((A, B, C, D))
        assert world.asked == names


async def test_a_server_that_refuses_is_left_alone_for_an_hour():
    world = World({A: sntp.Refused("RATE")})
    clock = world.clock()
    for _ in range(3):
        assert not await clock.poll((A,))
    assert world.asked == [A]
    world.pass_ms(judging.REFUSED_MS)
    world.servers = {A: 0}
    assert await clock.poll((A,))


async def test_nobody_to_ask_is_no_answer():
    assert not await World({}).clock().poll(())


async def test_keep_retries_soon_and_asks_every_half_hour():
    pauses = []

    class Stop(Exception):
        pass

    class Sleeping:
        @staticmethod
        async def sleep_ms(pause_ms):
            pauses.append(pause_ms)
            world.pass_ms(pause_ms)
            if len(pauses) == 12:
                world.servers = {A: 0, B: 0}
            if len(pauses) == 40:
                raise Stop

    def servers():
        return (A, B)

    world = World({})
    clock = world.clock()
    module.asyncio = Sleeping
    try:
        await clock.keep(servers)
    except Stop:
        pass
    finally:
        module.asyncio = asyncio
    for pause_ms in pauses[:12]:
        assert 5_000 <= pause_ms <= 300_000
    assert pauses[0] < 7_000 and min(pauses[7:12]) >= 240_000
    for pause_ms in pauses[12:]:
        assert 27 * 60_000 <= pause_ms <= 34 * 60_000
    assert len(set(pauses[12:])) > 5
    assert abs(world.error_ms(clock)) <= 2
