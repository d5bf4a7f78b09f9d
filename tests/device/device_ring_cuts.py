"""Nothing that was stored in the ring is lost by a power cut at any flash operation."""

import cut_flash
import vfs
from mote.store.stamp import Stamp
from ring_cuts import PLACE, START, STEP_MS, Chip, Cuts, filled, opened
from ring_oracle import five


def survives(cuts, every=1):
    faults = list(cuts.faults(every))
    assert cuts.operations and not faults, "%d: %s" % (len(faults), faults[:5])


def appending(count):
    return lambda ring, begin: filled(ring, count, begin)


def test_the_first_rounds_of_a_new_ring():
    survives(Cuts(Chip(), appending(3)))


def test_rounds_in_between():
    survives(Cuts(Chip().fill(20), appending(4)))


def test_when_the_log_of_the_journal_is_full():
    cuts = Cuts(Chip().fill(41).fill_until_it_erases(0), appending(2))
    assert cuts.erased
    survives(cuts)


def test_the_first_segment():
    survives(Cuts(Chip().fill(39), appending(3)))


def test_a_segment_grows():
    survives(Cuts(Chip().fill(80), appending(2)))


def test_a_segment_is_full():
    survives(Cuts(Chip().fill(160), appending(2)))


def test_a_full_ring_drops_its_oldest_segment():
    chip = Chip().fill(520)
    cuts = Cuts(chip, appending(2))
    # A segment begins, the oldest goes, and both rounds are written.
    assert cuts.dropped and cuts.erased
    survives(cuts)


def test_a_full_ring_again():
    cuts = Cuts(Chip().fill(680), appending(2))
    assert cuts.dropped
    survives(cuts)


def test_a_replay():
    def replayed(ring, begin):
        ring.delivered(begin - 3)
        assert ring.replay(START + 50 * STEP_MS)
        yield from filled(ring, 2, begin)

    survives(Cuts(Chip().fill(120), replayed))


def test_a_replay_while_the_chunk_is_written():
    def replayed(ring, begin):
        for number in filled(ring, 2, begin):
            ring.delivered(number)
            assert ring.replay(START + 50 * STEP_MS)
            yield number

    survives(Cuts(Chip().fill(119), replayed))


def test_blocks_taken_out_of_turn():
    def turning(ring, begin):
        ring._turns.owed = 3
        yield from filled(ring, 3, begin)

    survives(Cuts(Chip().fill(118), turning))


def test_a_flash_that_others_have_filled():
    cuts = Cuts(Chip().fill(360).occupy(), appending(2), crowded=True)
    assert (cuts.dropped, cuts.last) == (True, 362), (cuts.dropped, cuts.last)
    survives(cuts)


def test_the_date_of_a_start():
    image = Chip().fill(3).image()

    def change(flash):
        """Two rounds without a time, their time, another round; how far it came."""
        stored = 0
        cut_flash.mount(flash, PLACE)
        try:
            ring = opened()
            for i in range(2):
                ring.append(Stamp(i * STEP_MS, 1), five(i))
                stored += 1
            ring.date(1, START)
            stored += 1
            ring.append(Stamp(2 * STEP_MS, 1), five(2))
            stored += 1
        except OSError:
            assert flash.off
        finally:
            vfs.umount(PLACE)
        return stored

    flash = cut_flash.Flash(image)
    assert change(flash) == 4
    for operation in range(1, flash.operations + 1):
        for kind in cut_flash.KINDS:
            flash = cut_flash.Flash(image, operation, kind)
            stored = change(flash)
            cut_flash.mount(cut_flash.Flash(flash.image()), PLACE)
            try:
                ring = opened()
                ring.delivered(3)
                owed = ring.peek(100)
                # Without a date the rounds wait for it; with one they have it.
                assert stored < 3 or len(owed) >= 2, (operation, kind, stored, owed)
                for i, (number, ms, readings) in enumerate(owed):
                    assert (number, ms) == (4 + i, START + i * STEP_MS) and readings == five(i)
                assert ring.pending() >= min(stored, 2) * 5
                ring.date(1, START)
                assert len(ring.peek(100)) * 5 == ring.pending()
            finally:
                vfs.umount(PLACE)
