"""The ring of readings: what it keeps, in which order, and what it counts."""

from file_flash import PLACE, Chip, used
from mote.store.ring import Ring
from mote.store.segments import BLOCK
from mote.store.stamp import Stamp
from ring_oracle import five

FOLDER = PLACE + "/store"
START = 1_790_000_000_000
SMALL = 24 * BLOCK
STEP_MS = 10_000


def filled(ring, count, begin=0):
    """`count` rounds of five metrics with the time of day, ten seconds apart; the last number."""
    for i in range(begin, begin + count):
        number = ring.append(Stamp(START + i * STEP_MS), five(i))
    return number


def expected(number):
    """The round that `filled` wrote into a new ring under this number."""
    return number, START + (number - 1) * STEP_MS, five(number - 1)


def delivers(ring, first, last):
    """Take everything that `peek` gives: these rounds, each once."""
    number = first
    while True:
        owed = ring.peek(200)
        for one in owed:
            assert one == expected(number), (one, number)
            number += 1
        if not owed:
            break
        ring.delivered(number - 1)
    assert number == last + 1, (number, last)
    return True


def test_a_new_ring_is_empty():
    with Chip(64):
        ring = Ring(FOLDER)
        assert ring.pending() == ring.lost == ring.undatable == 0
        assert ring.peek(10) == [] and ring.replay(0) == 0


def test_rounds_come_out_in_order_and_stay_until_they_are_delivered():
    with Chip(64):
        ring = Ring(FOLDER)
        assert ring.append(Stamp(START), five(0)) == 1
        assert filled(ring, 299, 1) == 300
        assert ring.pending() == 1500
        assert ring.peek(20) == ring.peek(24) == [expected(n) for n in range(1, 5)]
        ring.delivered(3)
        assert ring.pending() == 1485 and ring.peek(5) == [expected(4)]
        # An answer that comes late changes nothing.
        ring.delivered(2)
        assert ring.pending() == 1485
        assert delivers(ring, 4, 300)
        assert ring.pending() == ring.lost == 0 and ring.peek(5) == []


def test_a_round_that_is_larger_than_asked_for_comes_alone():
    with Chip(64):
        ring = Ring(FOLDER)
        filled(ring, 2)
        assert ring.peek(3) == [expected(1)] and ring.peek(0) == []


def test_a_restart_changes_nothing():
    with Chip(64):
        for i in range(130):
            assert filled(Ring(FOLDER), 1, i) == i + 1
        ring = Ring(FOLDER)
        ring.delivered(7)
        filled(ring, 1, 130)
        ring = Ring(FOLDER)
        assert ring.pending() == (131 - 7) * 5
        assert delivers(ring, 8, 131)


def test_what_is_delivered_is_known_after_the_next_round():
    with Chip(64):
        ring = Ring(FOLDER)
        filled(ring, 10)
        programmed = count_files(ring.delivered, 10)
        assert programmed == 0 and ring.pending() == 0
        ring = Ring(FOLDER)
        assert ring.pending() == 50
        ring.delivered(10)
        filled(ring, 1, 10)
        assert Ring(FOLDER).peek(50) == [expected(11)]


def count_files(call, *arguments):
    """How many times `call` opens a file."""
    import builtins

    opened = []
    own = builtins.open

    def counting(*what):
        opened.append(what)
        return own(*what)

    builtins.open = counting
    try:
        call(*arguments)
    finally:
        builtins.open = own
    return len(opened)


def test_one_append_writes_one_file_and_a_peek_reads_one():
    with Chip(64):
        ring = Ring(FOLDER)
        filled(ring, 39)
        assert count_files(ring.append, Stamp(START), five(0)) == 1
        assert count_files(ring.peek, 5) == 0
        filled(ring, 200, 40)
        assert count_files(ring.peek, 100) == 1


def test_rounds_wait_for_their_time():
    with Chip(64):
        ring = Ring(FOLDER, boot=4)
        ring.append(Stamp(1_000, 4), [("co2", 400.0)])
        ring.append(Stamp(4_600_000, 4), [("co2", 401.0)])
        ring.append(Stamp(START + 9_000_000), [("co2", 402.0)])
        assert ring.peek(9) == [] and ring.pending() == 3
        ring.date(4, START)
        dated = [
            (1, START + 1_000, [("co2", 400.0)]),
            (2, START + 4_600_000, [("co2", 401.0)]),
            (3, START + 9_000_000, [("co2", 402.0)]),
        ]
        assert ring.peek(9) == dated
        assert Ring(FOLDER, boot=5).peek(9) == dated


def test_rounds_of_an_earlier_start_without_a_time_are_skipped_and_counted_once():
    with Chip(64):
        ring = Ring(FOLDER, boot=1)
        ring.append(Stamp(START), [("co2", 1.0)])
        ring = Ring(FOLDER, boot=2)
        ring.append(Stamp(500, 2), [("co2", 2.0), ("rssi", -50.0)])
        ring.append(Stamp(900, 2), [("co2", 3.0)])
        ring = Ring(FOLDER, boot=3)
        ring.append(Stamp(START + 9), [("co2", 4.0)])
        ring = Ring(FOLDER)
        # It does not know which start this is: rounds of start 2 may still get their time.
        assert [number for number, *_ in ring.peek(9)] == [1] and ring.undatable == 0
        ring.append(Stamp(700, 3), [("co2", 5.0)])
        for _ in range(2):
            assert [number for number, *_ in ring.peek(9)] == [1, 4]
            assert ring.undatable == 3 and ring.pending() == 6
        ring.delivered(4)
        assert ring.pending() == 1
        ring.append(Stamp(START + 10), [("co2", 6.0)])
        ring = Ring(FOLDER, boot=4)
        ring.replay(0)
        assert [number for number, *_ in ring.peek(9)] == [1, 4, 6] and ring.undatable == 4


def test_a_replay_owes_what_is_not_older_again():
    with Chip(64):
        ring = Ring(FOLDER)
        filled(ring, 500)
        ring.delivered(450)
        assert ring.replay(START + 600 * STEP_MS) == 0
        assert ring.replay(START + 460 * STEP_MS) == 0
        assert ring.replay(START + 400 * STEP_MS - 9_999) == 50 * 5
        assert ring.peek(5) == [expected(401)] and ring.pending() == 500
        assert ring.replay(START + 40 * STEP_MS + 1) == 359 * 5
        assert ring.replay(0) == 41 * 5
        assert delivers(ring, 1, 500)


def test_a_replay_finds_what_got_its_time_late():
    with Chip(64):
        ring = Ring(FOLDER, boot=1)
        filled(ring, 300)
        ring = Ring(FOLDER, boot=2)
        for i in range(700):
            ring.append(Stamp(i * STEP_MS, 2), five(i))
        later = START + 1000 * STEP_MS
        ring.date(2, later)
        for i in range(700, 1000):
            ring.append(Stamp(later + i * STEP_MS), five(i))
        ring.delivered(1300)
        for i in (999, 700, 699, 500, 1, 0):
            ring.replay(later + i * STEP_MS)
            assert ring.peek(5) == [(301 + i, later + i * STEP_MS, five(i))]


def test_a_replay_after_the_clock_was_set_back():
    with Chip(64):
        ring = Ring(FOLDER)
        filled(ring, 400)
        for i in range(500):
            ring.append(Stamp(START - 10_000 * STEP_MS + i * STEP_MS), five(i))
        ring.delivered(900)
        for number in (399, 250, 161, 5):
            ring.replay(START + (number - 1) * STEP_MS)
            assert ring.peek(5) == [expected(number)]
        assert ring.replay(0) == 4 * 5


def test_a_full_ring_drops_the_oldest_and_counts_it():
    with Chip(64):
        ring = Ring(FOLDER, SMALL)
        filled(ring, 700)
        assert ring.lost == 0
        ring.delivered(30)
        filled(ring, 1300, 700)
        lost = ring.lost
        assert lost and lost % 5 == 0 and ring.pending() + lost == (2000 - 30) * 5
        # Over a restart, too.
        ring = Ring(FOLDER, SMALL)
        assert ring.lost == lost
        first = 31 + lost // 5
        assert delivers(ring, first, 2000)
        filled(ring, 1000, 2000)
        assert ring.lost == lost
        assert used() <= SMALL // BLOCK + 2


def test_what_fits_is_at_least_what_is_promised():
    for kilobytes in (96, 120, 240):
        with Chip(128):
            before = used()
            ring = Ring(FOLDER, kilobytes * 1024)
            i = most = 0
            while not ring.lost:
                filled(ring, 20, i)
                i += 20
                most = max(most, used() - before)
            assert i * 5 >= ring.capacity, (kilobytes, i * 5, ring.capacity)
            assert most <= kilobytes // 4, (kilobytes, most)


def test_600_kilobytes_hold_43_200_readings():
    with Chip(256):
        before = used()
        ring = Ring(FOLDER, 600 * 1024)
        assert ring.capacity >= 43_200
        filled(ring, 43_200 // 5)
        blocks = used() - before
        print("43,200 readings: %d blocks, %.2f bytes each" % (blocks, blocks * BLOCK / 43_200))
        assert ring.lost == 0 and ring.pending() == 43_200
        assert blocks * BLOCK < 8 * 43_200
        assert ring.peek(5) == [expected(1)]
        ring.delivered(8000)
        assert ring.peek(5) == [expected(8001)]


def test_by_default_it_takes_what_the_flash_can_spare():
    with Chip(64):
        ring = Ring(FOLDER)
        filled(ring, 20_000)
        free = 64 - used()
        assert ring.lost and 16 <= free <= 24, free
        kept = ring.pending()
        for i in range(3):
            ring = Ring(FOLDER)
            filled(ring, 1, 20_000 + i)
        assert ring.pending() == kept + 15


def test_a_flash_that_others_fill_costs_the_oldest_and_nothing_else():
    with Chip(64):
        ring = Ring(FOLDER)
        filled(ring, 4000)
        with open(PLACE + "/other", "wb") as f:
            try:
                while True:
                    f.write(b"#" * BLOCK)
                    f.flush()
            except OSError:
                pass
        filled(ring, 2000, 4000)
        assert ring.lost
        assert delivers(ring, ring.lost // 5 + 1, 6000)
