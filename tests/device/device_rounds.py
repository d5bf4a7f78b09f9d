import time

from mote.sensors.rounds import following


def test_rounds_keep_their_grid_however_late_each_one_is():
    due = start = time.ticks_ms()
    for late in (0, 3, 700, 999):
        due = following(due, 1000, time.ticks_add(due, late))
    assert time.ticks_diff(due, start) == 4000


def test_rounds_that_were_missed_are_left_out():
    due = time.ticks_ms()
    assert time.ticks_diff(following(due, 1000, time.ticks_add(due, 12_300)), due) == 13_000


def test_a_clock_that_wraps_does_not_disturb_the_rounds():
    period = time.ticks_add(0, -1) + 1
    due = period - 400
    assert following(due, 1000, time.ticks_add(due, 450)) == 600
