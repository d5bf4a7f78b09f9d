"""The clock, in a world whose time is a number: years of it pass in a second."""

import random

from clock_world import NOW_MS, Fields, World
from mote.clock import rtc, uptime
from mote.clock.clock import Clock

HOUR_MS = 3_600_000
HALF_HOUR_MS = HOUR_MS // 2
A, B, C = "a", "b", "c"


def test_it_never_goes_backwards_over_ten_thousand_corrections():
    random.seed(5)
    world = World({})
    clock = world.clock()
    clock.correct(NOW_MS)
    last, last_up = clock.now_ms(), world.uptime_ms()
    for turn in range(10_000):
        clock.ppm = random.randrange(-200, 201)
        for _ in range(random.randrange(4)):
            world.pass_ms(random.choice((0, 1, 1, 2, 7, 60, 3000, 200_000)))
            now, up = clock.now_ms(), world.uptime_ms()
            assert now - last >= (up - last_up) * 95 // 100 - 1, turn
            last, last_up = now, up
        reach = random.choice((3, 500, 5000, 30_000))
        clock.correct(world.true_ms + random.randrange(-reach, reach), random.randrange(100))
        assert clock.now_ms() >= last, turn
        last, last_up = clock.now_ms(), world.uptime_ms()


def test_far_ahead_it_steps_back_instead_of_waiting_for_years():
    for ahead_ms in (61_000, HOUR_MS, 365 * 24 * HOUR_MS):
        world = World({})
        clock = world.clock()
        clock.correct(NOW_MS + ahead_ms)
        clock.correct(NOW_MS)
        assert world.error_ms(clock) == 0
        world.pass_ms(HOUR_MS)
        assert world.error_ms(clock) == 0


def test_every_single_millisecond_of_a_slew_goes_forward():
    for ppm in (-200, -1, 0, 199):
        world = World({})
        clock = world.clock()
        clock.correct(NOW_MS)
        clock.ppm = ppm
        clock.correct(world.true_ms - 100)
        last = clock.now_ms()
        for _ in range(4000):
            world.pass_ms(1)
            assert 0 <= clock.now_ms() - last <= 2
            last = clock.now_ms()


def test_a_clock_that_is_ahead_waits_for_the_truth():
    world = World({})
    clock = world.clock()
    clock.correct(NOW_MS + 1000)
    clock.correct(NOW_MS)
    assert world.error_ms(clock) == 1000
    world.pass_ms(10_000)
    assert world.error_ms(clock) == 600
    world.pass_ms(14_999)
    assert world.error_ms(clock) in (0, 1)
    world.pass_ms(HOUR_MS)
    assert world.error_ms(clock) == 0


def test_a_clock_that_is_behind_catches_up_or_steps():
    world = World({})
    clock = world.clock()
    clock.correct(NOW_MS - 2000)
    clock.correct(NOW_MS)
    assert world.error_ms(clock) == -2000
    world.pass_ms(25_000)
    assert world.error_ms(clock) == -1000
    world.pass_ms(25_000)
    assert world.error_ms(clock) == 0
    clock.correct(world.true_ms + 2001)
    assert world.error_ms(clock) == 2001


async def a_day(crystal_ppm, trips):
    random.seed(crystal_ppm)
    world = World({A: 0, B: 6, C: -7}, crystal_ppm=crystal_ppm, trips=trips)
    clock = world.clock()
    worst = 0
    for turn in range(48):
        assert await clock.poll((A, B, C))
        for _ in range(30):
            world.pass_ms(60_000)
            if turn >= 24:
                worst = max(worst, abs(world.error_ms(clock)))
    return clock.ppm, worst


async def test_the_drift_is_learned_and_made_good_within_a_day():
    for crystal_ppm in (-100, -20, 0, 100):
        for trips in ((0, 0), (10, 30), (20, 60)):
            ppm, worst = await a_day(crystal_ppm, trips)
            assert abs(ppm - crystal_ppm) <= 10, (crystal_ppm, trips, ppm)
            assert worst < 50, (crystal_ppm, trips, worst)


async def test_a_drift_that_no_crystal_has_is_cut():
    for crystal_ppm in (-300, 300):
        ppm, _ = await a_day(crystal_ppm, (0, 0))
        assert ppm == (200 if crystal_ppm > 0 else -200)


def test_answers_close_together_tell_nothing_of_drift():
    world = World({}, crystal_ppm=150)
    clock = world.clock()
    for _ in range(9):
        clock.correct(world.true_ms)
        world.pass_ms(66_000)
    assert clock.ppm == 0
    # The first of them does, now that it is old enough.
    world.pass_ms(20_000)
    clock.correct(world.true_ms)
    assert abs(clock.ppm - 150) <= 2


def test_a_server_that_was_set_is_no_drift():
    world = World({}, crystal_ppm=30)
    clock = world.clock()
    for _ in range(9):
        clock.correct(world.true_ms)
        world.pass_ms(HALF_HOUR_MS)
    clock.correct(world.true_ms + 1900)
    assert abs(clock.ppm - 30) <= 1
    world.pass_ms(HALF_HOUR_MS)
    clock.correct(world.true_ms + 1900)
    assert abs(clock.ppm - 30) <= 1


async def test_an_earlier_reading_gets_its_date():
    world = World({A: 0}, up_ms=3 * 2**30)
    clock = world.clock()
    # Taken before the time was known.
    taken_up, taken_ms = world.uptime_ms(), world.true_ms
    world.pass_ms(5 * HOUR_MS)
    await clock.poll((A,))
    assert clock.boot_ms() + taken_up == taken_ms
    assert clock.boot_ms() == clock.now_ms() - world.uptime_ms()


class Ticks:
    """`time` with ticks of 30 bits."""

    PERIOD = 1 << 30

    def __init__(self, now):
        self.now = now

    def ticks_ms(self):
        return self.now % self.PERIOD

    def ticks_diff(self, end, start):
        half = self.PERIOD >> 1
        return (end - start + half) % self.PERIOD - half


def test_the_uptime_does_not_wrap_with_the_ticks():
    before = uptime.time, uptime._last, uptime._passed
    try:
        ticks = Ticks(Ticks.PERIOD - 5)
        uptime.time, uptime._last, uptime._passed = ticks, ticks.now, ticks.now
        clock = Clock(uptime.ms)
        clock.correct(NOW_MS)
        start, last = ticks.now, clock.now_ms()
        for step in [1] * 10 + [6 * 86_400_000, 0, 1, 5 * 86_400_000] * 12:
            ticks.now += step
            assert uptime.ms() == ticks.now
            assert clock.now_ms() == last + step
            last += step
        assert ticks.now > 10 * Ticks.PERIOD and last - NOW_MS == ticks.now - start
        assert clock.boot_ms() == NOW_MS - start
        # Whoever asked in between was later than we thought.
        ticks.now -= 3
        assert uptime.ms() == ticks.now + 3
    finally:
        uptime.time, uptime._last, uptime._passed = before


def test_the_rtc_is_set_to_utc_whatever_time_counts_from():
    for epoch_s in (0, 946_684_800):
        with Fields(epoch_s) as chip:
            # 2026-03-04 05:06:07.250, a Wednesday.
            rtc.write(NOW_MS)
            assert chip.fields == (2026, 3, 4, 2, 5, 6, 7, 250_000)
            assert rtc.read() == NOW_MS
            chip.fields = (2000, 1, 1, 5, 0, 0, 3, 999)
            assert rtc.read() == 946_684_803_000
