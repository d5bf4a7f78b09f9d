"""What a wrong clock has dated gets its time: in the ring, over restarts and power cuts."""

import asyncio

import cut_flash
import vfs
from file_flash import PLACE, Chip
from mote.delivery import Delivery
from mote.store.ring import Ring
from mote.store.stamp import Stamp

FOLDER = PLACE + "/store"
TRUE = 1_790_000_000_000
STEP_MS = 10_000
YEAR_MS = 365 * 86_400_000
LIMIT = 64 * 4096


def opened(boot=1):
    return Ring(FOLDER, LIMIT, boot=boot)


def filled(ring, numbers, off_ms=0):
    """Rounds that were taken at `time_of(number)`, by a clock that is off."""
    for number in numbers:
        assert ring.append(Stamp(time_of(number) + off_ms), [("m", float(number))]) == number


def time_of(number):
    return TRUE + number * STEP_MS


def times(ring):
    """Everything that is owed: number -> its time."""
    found = {}
    for number, ms, readings in ring.peek(5000):
        assert readings == [("m", float(number))]
        found[number] = ms
    return found


def right(first, last):
    return {number: time_of(number) for number in range(first, last + 1)}


def redated(ring, *step):
    """How many readings have another time than before."""
    before = times(ring)
    ring.redate(*step)
    after = times(ring)
    return len([number for number in before if before[number] != after[number]])


def test_what_is_owed_gets_its_time_and_keeps_it_over_a_restart():
    for off_ms in (YEAR_MS, 3_600_000, 61_000, -YEAR_MS // 4, -61_000):
        with Chip(128):
            filled(opened(), range(1, 101))
            ring = opened(2)
            # The clock of this start was set wrongly at once.
            filled(ring, range(101, 301), off_ms)
            ring.delivered(150)
            assert redated(ring, time_of(101) + off_ms, off_ms) == 150, off_ms
            assert times(ring) == right(151, 300)
            filled(ring, range(301, 350))
            for again in (ring, opened(3)):
                assert times(again) == right(151, 349), off_ms
                # What had arrived with a wrong time comes with the right one.
                assert again.replay(time_of(95)) == 56
                assert times(again) == right(95, 349)
                again.delivered(150)


def test_only_what_was_dated_since_the_clock_was_right():
    with Chip(128):
        ring = opened()
        filled(ring, range(1, 51))
        filled(ring, range(51, 101), YEAR_MS)
        assert redated(ring, time_of(51) + YEAR_MS, YEAR_MS) == 50
        assert times(ring) == right(1, 100)
        filled(ring, range(101, 111))
        # And a second time, the other way.
        filled(ring, range(111, 121), -YEAR_MS)
        assert redated(ring, time_of(111) - YEAR_MS, -YEAR_MS) == 10
        assert times(opened()) == right(1, 120)


def test_an_earlier_start_that_dated_in_the_future_by_the_same_rtc_is_redated_too():
    with Chip(128):
        filled(opened(1), range(1, 51), YEAR_MS)
        ring = opened(2)
        filled(ring, range(51, 101), YEAR_MS)
        assert redated(ring, time_of(101), YEAR_MS) == 100
        assert times(ring) == right(1, 100)


def test_nothing_to_redate_writes_nothing():
    with Chip(128):
        ring = opened()
        filled(ring, range(1, 11))
        assert redated(ring, time_of(11), YEAR_MS) == 0
        assert redated(ring, time_of(11), -YEAR_MS) == 0
        assert times(ring) == right(1, 10)


def test_a_power_cut_leaves_all_of_it_wrong_or_all_of_it_right():
    flash = cut_flash.Flash([None] * 64)
    cut_flash.make_file_system(flash)
    cut_flash.mount(flash, PLACE)
    filled(opened(), range(1, 61), YEAR_MS)
    vfs.umount(PLACE)
    image, operation, outcomes = flash.image(), 0, set()
    wrong = {number: time_of(number) + YEAR_MS for number in range(1, 61)}
    while True:
        operation += 1
        for kind in cut_flash.KINDS:
            flash = cut_flash.Flash(image, operation, kind)
            cut_flash.mount(flash, PLACE)
            try:
                redated(opened(), time_of(1) + YEAR_MS, YEAR_MS)
            except OSError:
                # The power is off.
                assert flash.off
            vfs.umount(PLACE)
            if not flash.off:
                assert operation > 1 and True in outcomes
                return
            cut_flash.mount(cut_flash.Flash(flash.image()), PLACE)
            found = times(opened())
            vfs.umount(PLACE)
            assert found in (wrong, right(1, 60)), (operation, kind)
            outcomes.add(found == wrong)


class Clock:
    """A clock of the test, which knows the time as it is told."""

    def __init__(self):
        self.known, self.ms, self.on_step = True, 0, None

    def now_ms(self):
        return self.ms

    def boot_ms(self):
        return self.ms - 5000


async def test_a_delivery_redates_what_it_gathers_too():
    with Chip(128):
        clock = Clock()
        owed = Delivery(opened(), clock, 1)
        for number in (1, 2, 3):
            clock.ms = time_of(number) + YEAR_MS
            owed.take("m", float(number))
            if number < 3:
                owed.keep()
        # The third one is not on the flash yet.
        clock.ms = time_of(3)
        clock.on_step(time_of(1) + YEAR_MS, YEAR_MS, True)
        owed.keep()
        assert times(owed.ring) == right(1, 3)
        await asyncio.sleep_ms(0)


async def test_what_was_taken_before_a_wrong_time_is_dated_by_the_right_one():
    with Chip(128):
        clock = Clock()
        owed = Delivery(opened(), clock, 1)
        clock.known = False
        owed.ring.append(Stamp(1000, 1), [("m", 1.0)])
        owed._undated = clock.known = True
        clock.ms = TRUE + YEAR_MS
        owed.date()
        assert times(owed.ring) == {1: TRUE + YEAR_MS - 4000}
        clock.ms = TRUE
        clock.on_step(TRUE + YEAR_MS, YEAR_MS, True)
        assert times(owed.ring) == {1: TRUE - 4000}
        await asyncio.sleep_ms(0)
