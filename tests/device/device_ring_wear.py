"""How the ring wears the flash: erases per block in ten years of five metrics every ten seconds.

Ten years are 31.5 million rounds; no test runs them. Two things are measured instead:
- how many blocks a round erases, on a flash of 512 blocks with a ring that is full;
- how evenly LittleFS spreads them, on a small flash, where the rounds of a test go around often:
  erases of the worst block over the mean of those that take part. It is the less even the fewer
  times the folders of the journal have moved (every hundred erases): in the test each block has
  had one or two of these stays, in ten years more than twenty.
The erases of ten years, divided by the blocks that take part and multiplied by that unevenness,
must stay below the 10,000 that the worst block may have (the flash chips promise 100,000).
"""

import gc
import random
import time

from file_flash import PLACE, Chip
from mote.store import wear
from mote.store.ring import Ring
from mote.store.stamp import Stamp
from ring_oracle import five

TEN_YEARS = 10 * 365 * 24 * 360
MOST_ERASES = 10_000
BLOCKS = 512
# What never moves: the firmware and the configuration are 100 files of about a block.
STATIC = 100
FOLDER = PLACE + "/store"
START = 1_790_000_000_000
measured = {}


def run(flash, ring, rounds, begin=0):
    """Erases in so many rounds, all delivered at once, as a board that is online does it."""
    before = sum(flash.erases)
    for i in range(begin, begin + rounds):
        ring.delivered(ring.append(Stamp(START + i * 10_000), five(i)))
    return sum(flash.erases) - before


def occupy(blocks):
    with open(PLACE + "/firmware", "wb") as f:
        for _ in range(blocks):
            f.write(bytes(4096))


def per_round():
    """Blocks that a round erases in a full ring."""
    if "per round" not in measured:
        random.seed(1)
        with Chip(BLOCKS) as flash:
            occupy(STATIC)
            gc.collect()
            heap = gc.mem_alloc()
            ring = Ring(FOLDER)
            # What chance adds is added below: the mean.
            ring._turns.segment_begun = lambda: None
            gc.collect()
            print("open ring: %d bytes of heap (64-bit)" % (gc.mem_alloc() - heap))
            # Full means: what is new costs a file that goes.
            ring._most = 20
            run(flash, ring, 4000)
            started = time.ticks_us()
            erases = run(flash, ring, 8000, 4000)
            took = time.ticks_diff(time.ticks_us(), started)
            print("append: %d us on this machine" % (took // 8000))
        # In one of 64 segments of 160 rounds, 0 to 63 blocks out of turn.
        measured["per round"] = erases / 8000 + 31.5 / 64 / 160
    return measured["per round"]


def unevenness():
    """The erases of the worst block over their mean."""
    if "unevenness" not in measured:
        random.seed(2)
        with Chip(48) as flash:
            occupy(12)
            run(flash, Ring(FOLDER, 26 * 4096), 30_000)
            erases = sorted(flash.erases)
        # The static ones, and the pair that only says where the rest is.
        taking_part = [one for one in erases if one > 4]
        measured["unevenness"] = erases[-1] * len(taking_part) / sum(taking_part)
        print("small flash: %r" % erases)
    return measured["unevenness"]


def test_a_round_erases_a_block_in_sixteen_rounds_at_most():
    print("erases a round: %.4f" % per_round())
    assert per_round() < 1 / 16


def test_no_block_wears_out_in_ten_years():
    mean = per_round() * TEN_YEARS / (BLOCKS - STATIC)
    worst = mean * unevenness()
    print("ten years: %d erases a block, %d of the worst (%.2f)" % (mean, worst, unevenness()))
    assert worst < MOST_ERASES


def test_blocks_are_taken_out_of_turn_and_lose_nothing():
    random.seed(3)
    with Chip(64):
        ring = Ring(FOLDER, 26 * 4096)
        turns = ring._turns
        taken = 0
        for i in range(1000):
            if i % 100 == 50:
                turns.owed = 7
            owed = turns.owed
            ring.append(Stamp(START + i * 10_000), five(i))
            taken += owed > turns.owed
        assert taken >= 70
        number = ring.lost // 5
        while number < 1000:
            for found, _, readings in ring.peek(200):
                number += 1
                assert found == number and readings == five(number - 1)
            ring.delivered(number)
        assert ring.pending() == 0


def test_chance_owes_half_a_block_a_segment():
    random.seed(4)
    turns = wear.Turns(PLACE + "/nowhere")
    owed = 0
    for _ in range(20_000):
        turns.owed = 0
        turns.segment_begun()
        owed += turns.owed
    assert 0.4 < owed / 20_000 < 0.6, owed
