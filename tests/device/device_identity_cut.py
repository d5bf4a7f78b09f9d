"""What an owner or an id has left is erased, or all of it is there: wherever the power is cut.

The flash is that of the tests of updates: LittleFS of MicroPython, cut at every operation.
"""

import json
import os

# The models of the chip come first.
from update_cuts import Chip, made, runs, survives

# isort: split
from mote import config, identity, update
from mote.store import recovery  # noqa: F401
from mote.store.ring import Ring
from mote.store.stamp import Stamp
from mote.update import trial

OLD, NEW = "plant1", "plant2"
SECRET = "secret of the owner before"
START = 1_790_000_000_000
# The password on the board's label, and a version on trial, which nobody waits for any more.
STAYS = ["/factory.json", update.NOTE]
LIMIT = 24 * 4096


class Counters:
    """NVS is not part of the file system: it is written whole, or not at all."""

    keys = {}  # noqa: RUF012

    def __init__(self, name):
        pass

    def get_i32(self, key):
        if key not in self.keys:
            raise OSError(key)
        return self.keys[key]

    def set_i32(self, key, value):
        self.keys[key] = value

    def erase_key(self, key):
        if self.keys.pop(key, None) is None:
            raise OSError(key)

    def commit(self):
        pass


identity.NVS = Counters


def write(path, text=SECRET):
    with open(path, "w") as file:
        file.write(text)


def save(device):
    wifi = [{"ssid": "Home", "password": SECRET}]
    config.write(config.PATH, json.dumps({"version": 1, "id": device, "wifi": wifi}))


def used():
    """A board that measured, crashed, and was amid two updates, as far as files can tell."""
    save(OLD)
    write("/factory.json")
    write("/crash.txt")
    write("/announced.json")
    write("/config.old")
    write("/config.note")
    write(update.NOTE, '{"nonce": "%s", "version": "9", "slot": "b"}' % SECRET)
    os.mkdir("/update")
    os.mkdir("/update/mote")
    write("/update/manifest")
    write("/update/mote/app.mpy")
    identity.claim(OLD)
    fill(60)
    config.keep()
    os.remove(config.NOTE)


def fill(count):
    """Some rounds in segments, and some in the journal."""
    ring = Ring(limit=LIMIT, boot=1)
    for number in range(count):
        ring.append(Stamp(START + number * 10_000), [("temp", 20.0), ("humidity", 50.0)])
    ring.date(1, START)


def readings():
    ring = Ring(limit=LIMIT, boot=2)
    count = ring.pending()
    assert len(ring.peek(1000)) * 2 == count
    return count


def files(folder=""):
    found = {}
    for name, kind, *_ in os.ilistdir(folder or "/"):
        path = folder + "/" + name
        if kind & 0x4000:
            found.update(files(path))
        else:
            with open(path, "rb") as file:
                found[path] = file.read()
    return found


def holds_secret():
    for path, data in files().items():
        if path != "/factory.json" and SECRET.encode() in data:
            return path
    return None


def erase():
    identity.begin_erasing()
    identity.finish_erasing()


def test_erased_or_all_of_it():
    content = made(used)
    with Chip(content):
        before = files()
        assert holds_secret() and readings() == 120

    def whole_or_gone(chip):
        marked = identity._exists(identity.MARK)
        assert identity.finish_erasing()
        if not marked and files() == before:
            return None
        left = holds_secret() or sorted(files()) != STAYS
        return "left: %s" % sorted(files()) if left else None

    assert survives(content, erase, whole_or_gone, "a") > 100


def test_erasing_is_begun_by_one_name_and_needs_no_second_wish():
    with Chip(made(used)):
        identity.begin_erasing()
        # What was gathered when BOOT was held is written in between.
        fill(3)
        assert identity.finish_erasing()
        assert sorted(files()) == STAYS and not identity._exists("/store")
        assert Counters.keys["starts"] == 1
        # And it is over: what the next owner saves stays.
        save(NEW)
        assert identity.finish_erasing() and config.saved_id() == NEW


def change_id():
    save(NEW)
    identity.claim(NEW)


def test_another_id_has_none_of_the_readings_of_the_one_before():
    content = made(used)

    def separate(chip):
        device = config.saved_id()
        identity.claim(device)
        if device == OLD:
            return None if readings() == 120 else "readings of the old id are lost"
        save(NEW)
        found = holds_secret() if device == NEW else None
        if found not in (None, "/config.json"):
            return "there is still %s" % found
        return "readings under the new id" if readings() else None

    assert survives(content, change_id, separate, "a") > 100


def begin_probation():
    save(NEW)
    identity.claim(NEW, True)


def test_on_probation_the_readings_are_aside_and_come_back_with_the_old_configuration():
    content = made(used)

    def aside(chip):
        device = config.saved_id()
        identity.claim(device, device == NEW)
        if device == NEW and readings():
            return "readings under the new id"
        if device == NEW:
            fill(1)
        identity.claim(OLD)
        return None if readings() == 120 else "readings of the old id are lost"

    assert survives(content, begin_probation, aside, "a") > 20


def test_the_way_back_survives_every_cut():
    def tried():
        begin_probation()
        fill(5)

    content = made(used, tried)

    def back(chip):
        identity.claim(OLD)
        return None if readings() == 120 and not identity._exists("/store.old") else "not back"

    assert survives(content, lambda: identity.claim(OLD), back, "a") > 10


def test_a_new_id_that_stays_leaves_nothing_aside():
    def tried():
        begin_probation()
        fill(5)

    def released():
        for _ in identity._removing(identity._PARKED):
            pass

    def own_only(chip):
        identity.claim(NEW)
        if identity._exists("/store.old"):
            return "something is aside"
        return None if readings() == 10 else "its own readings are lost"

    assert survives(made(used, tried), released, own_only, "a") > 20


def test_readings_of_an_earlier_version_are_of_the_id_that_the_board_has():
    def of_before():
        used()
        os.remove("/store/owner")

    with Chip(made(of_before)):
        identity.claim(OLD)
        assert readings() == 120
        identity.claim(NEW)
        assert readings() == 0
    # Without a configuration they are nobody's.
    with Chip(made(of_before)):
        identity.claim(None)
        assert not identity._exists("/store")


def test_what_is_erased_leaves_an_update_on_trial_without_its_sender():
    runs("b")
    with Chip(made(used)):
        identity.claim(NEW)
        note = trial._note()
        assert note == {"version": "9", "slot": "b"}, note
        assert trial._on_trial()


def test_claiming_what_is_ones_own_writes_nothing():
    with Chip(made(used)) as chip:
        before = chip.flash.operations
        identity.claim(OLD)
        identity.finish_erasing()
        assert chip.flash.operations == before
