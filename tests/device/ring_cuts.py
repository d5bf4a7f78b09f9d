"""Power cuts at every flash operation of what the ring does, and what the reboot finds."""

import gc
import random

import cut_flash
import vfs
from mote.store.ring import Ring
from mote.store.stamp import Stamp
from ring_oracle import five

PLACE = "/flash"
FOLDER = PLACE + "/store"
SECTORS = 28
# Room for three segments and what is around them.
LIMIT = 20 * cut_flash.SECTOR
START = 1_790_000_000_000
STEP_MS = 10_000
DELIVERED = 30


def opened():
    return Ring(FOLDER, LIMIT, boot=1)


def filled(ring, count, begin):
    """Rounds `begin` + 1 and up, each with what its number says; yields after each of them."""
    for i in range(begin, begin + count):
        assert ring.append(Stamp(START + i * STEP_MS), five(i)) == i + 1
        yield i + 1


class Chip:
    """The content of a flash chip, with as many rounds in its ring as `fill` was told."""

    def __init__(self, sectors=SECTORS):
        self._flash = cut_flash.Flash([None] * sectors)
        cut_flash.make_file_system(self._flash)
        self.rounds = 0

    def image(self):
        return self._flash.image()

    def fill(self, count):
        """That many rounds more; the first DELIVERED ones are delivered."""
        cut_flash.mount(self._flash, PLACE)
        ring = opened()
        for number in filled(ring, count, self.rounds):
            if number >= DELIVERED:
                ring.delivered(DELIVERED)
        self.rounds += count
        vfs.umount(PLACE)
        return self

    def occupy(self):
        """Others take all of the flash that is free."""
        cut_flash.mount(self._flash, PLACE)
        # One file grows by a copy of its end: it leaves a sector, which is for the other one.
        for name in ("/other", "/another"):
            try:
                with open(PLACE + name, "wb") as f:  # noqa: PTH123
                    while True:
                        f.write(bytes(1024))
                        f.flush()
            except OSError:
                pass
        vfs.umount(PLACE)
        return self

    def fill_until_it_erases(self, more_than):
        """Stop before a round that erases more than so many different sectors."""
        cut_flash.mount(self._flash, PLACE)
        ring = opened()
        while True:
            image = self._flash.image()
            self._flash.erased = []
            for number in filled(ring, 1, self.rounds):
                self.rounds = number
            if len(set(self._flash.erased)) > more_than:
                break
        vfs.umount(PLACE)
        self._flash = cut_flash.Flash(image)
        self.rounds -= 1
        return self


class Cuts:
    """What happens to `chip` when `change(ring, begin)` is cut off at every operation.

    `change` yields the number of each round when its append has returned. A `crowded` flash is one
    that others have filled.
    """

    def __init__(self, chip, change, crowded=False):
        self._image = chip.image()
        self._crowded = crowded
        self._begin = chip.rounds
        self._change = change
        flash = cut_flash.Flash(self._image)
        self.last = self._changed(flash)
        self.operations = flash.operations
        self.erased = flash.erased

    def faults(self, every=1):
        for operation in range(1, self.operations + 1, every):
            for kind in cut_flash.KINDS:
                fault = self._fault(operation, kind)
                if fault:
                    yield operation, kind, fault

    def _changed(self, flash):
        """Make the change; the number of the last round whose append has returned."""
        random.seed(1)
        last = self._begin
        cut_flash.mount(flash, PLACE)
        try:
            ring = opened()
            oldest = ring._segments.first()
            for number in self._change(ring, self._begin):
                last = number
            self.dropped = ring._segments.first() != oldest
        except OSError:
            assert flash.off
        finally:
            vfs.umount(PLACE)
        return last

    def _fault(self, operation, kind):
        gc.collect()
        flash = cut_flash.Flash(self._image, operation, kind)
        last = self._changed(flash)
        if not flash.off:
            return "the power was not cut"
        try:
            cut_flash.mount(cut_flash.Flash(flash.image()), PLACE)
        except OSError as error:
            return f"the file system does not mount: {error!r}"
        flash = None
        try:
            found = checked(opened(), last, last + 1, self._crowded)
            # And it goes on as if nothing had happened, over another restart.
            for number in filled(opened(), 2, found):
                found = number
            checked(opened(), found, found, self._crowded)
        except Exception as error:
            return repr(error)
        finally:
            vfs.umount(PLACE)
        return None


def checked(ring, least, most, crowded):
    """The number of the newest round: `least` to `most`, and every round is there, once, in order.

    The oldest may be missing from a full ring, or where others have crowded it out; what was owed
    of them is counted.
    """
    pending, lost = ring.pending(), ring.lost
    owed = ring.peek(1)
    mark = owed[0][0] - 1 if owed else None
    ring.replay(0)
    rounds = ring.peek(200)
    number = first = rounds[0][0] if rounds else 1
    while rounds:
        for one in rounds:
            assert one == (number, START + (number - 1) * STEP_MS, five(number - 1)), (one, number)
            number += 1
        ring.delivered(number - 1)
        rounds = ring.peek(200)
    newest = number - 1
    assert least <= newest <= most, (least, newest, most)
    assert pending == (0 if mark is None else (newest - mark) * 5), (pending, newest, mark)
    assert crowded or first == 1 or len(ring._segments) >= ring._most - 1, first
    assert ring.lost == lost == 5 * max(first - 1 - DELIVERED, 0) or first == 1, (lost, first)
    return newest
