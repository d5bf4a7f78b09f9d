"""The ring against a plain list, in a thousand random steps; and against damaged bytes."""

import os
import random

from file_flash import PLACE, Chip
from mote.store.ring import Ring
from mote.store.stamp import Stamp
from ring_oracle import Oracle, five

FOLDER = PLACE + "/store"
START = 1_790_000_000_000


def steps(seed, count, kilobytes):
    random.seed(seed)
    with Chip(64):
        oracle = Oracle(FOLDER, kilobytes * 1024)
        seldom = (
            oracle.set_clock,
            oracle.date,
            oracle.replay,
            oracle.restart,
            oracle.reopen,
            oracle.step_back,
        )
        for _ in range(count):
            chance = random.random()
            if chance < 0.75:
                for _ in range(random.choice((1, 1, 2, 30))):
                    oracle.append()
            elif chance < 0.93:
                oracle.peek_and_deliver()
            else:
                random.choice(seldom)()
            oracle.check()
        return oracle


def test_a_thousand_random_steps():
    oracle = steps(1, 1000, 104)
    ring = oracle.ring
    assert ring.lost and ring.undatable and len(ring._segments) == ring._most


def test_random_steps_in_rings_of_other_sizes():
    for seed, kilobytes in ((2, 72), (3, 84), (4, 96)):
        steps(seed, 250, kilobytes)


def test_a_damaged_byte_in_a_segment_costs_at_most_its_chunk():
    random.seed(5)
    with Chip(64):
        ring = Ring(FOLDER, 120 * 1024)
        for i in range(600):
            ring.append(Stamp(START + i * 10_000), five(i))
        names = sorted(os.listdir(FOLDER + "/segments"))
        worst = 0
        for turn in range(150):
            path = "%s/segments/%s" % (FOLDER, names[turn % len(names)])
            with open(path, "rb") as f:
                data = bytearray(f.read())
            at = random.randrange(len(data))
            if turn < 64:
                # Every byte of a head and the first bytes behind it.
                at = turn
            was = data[at]
            data[at] ^= random.randrange(1, 256)
            write(path, data)
            worst = max(worst, missing(Ring(FOLDER, 120 * 1024)))
            data[at] = was
            write(path, data)
        assert 30 < worst <= 40, worst
        assert missing(Ring(FOLDER, 120 * 1024)) == 0


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def damage(path):
    with open(path, "rb") as f:
        data = bytearray(f.read())
    data[len(data) // 2] ^= 4
    write(path, data)


def missing(ring):
    """How many of the 600 rounds do not come; the others come in order and as they were."""
    last = come = 0
    while True:
        owed = ring.peek(100)
        for number, ms, readings in owed:
            assert number > last and ms == START + (number - 1) * 10_000
            assert readings == five(number - 1)
            last = number
            come += 1
        if not owed:
            break
        ring.delivered(last)
    assert last == 600 and ring.lost == (600 - come) * 5 and ring.pending() == 0
    return 600 - come


def test_a_damaged_file_of_the_journal_costs_what_comes_after_it_in_its_chunk():
    for place, gone in ((3, 27), (0, 30), (29, 1), (35, 0)):
        with Chip(64):
            ring = Ring(FOLDER)
            for i in range(70):
                ring.append(Stamp(START + i * 10_000), five(i))
            # Rounds 41 to 70 are not in a segment yet.
            slot = (41 + place) % 40
            damage("%s/%d/%02d" % (FOLDER, slot % 4, slot))
            ring = Ring(FOLDER)
            number = ring.append(Stamp(START + 700_000), five(70))
            come = [one for one, *_ in ring.peek(1000)]
            assert come == sorted(set(come)) and come[-1] == number, (place, come)
            # The newest round of all leaves no trace when its file is gone.
            assert number == (70 if place == 29 else 71), (place, number)
            assert len(come) == 71 - gone, (place, len(come))


def test_what_is_not_its_own_stays_alone():
    with Chip(64):
        Ring(FOLDER).append(Stamp(START), five(0))
        write(FOLDER + "/notes", b"not mine")
        write(FOLDER + "/segments/notes", b"not mine")
        write(FOLDER + "/segments/beef", b"not mine")
        assert len(Ring(FOLDER).peek(5)) == 1


def wide(prefix, size):
    return [(f"{prefix}{i}", float(i)) for i in range(size)]


def test_rounds_of_every_size():
    with Chip(64):
        ring = Ring(FOLDER)
        sizes = []
        for size in (1, 30, 250, 0, 100, 5, 5, 249, 1):
            for prefix in ("m", "soil_moisture_of_the_bed_no_", "m"):
                if size * (len(prefix) + 9) < 4000:
                    sizes.append((prefix, size))
                    assert ring.append(Stamp(START), wide(prefix, size)) == len(sizes)
        too_large = (
            wide("m", 251),
            wide("a_name_of_almost_thirty_two_", 120),
        )
        for readings in too_large:
            try:
                ring.append(Stamp(START), readings)
                raise AssertionError("accepted")
            except ValueError:
                pass
        ring = Ring(FOLDER)
        assert ring.append(Stamp(START), [("co2", 400.0)]) == len(sizes) + 1
        for i, (prefix, size) in enumerate(sizes):
            assert ring.peek(1) == [(i + 1, START, wide(prefix, size))], (prefix, size)
            ring.delivered(i + 1)
        assert ring.pending() == 1
