"""The situations in which the configuration is changed and the power is cut."""

import os

import cut_flash
import vfs
from mote import config
from power_cuts import PLACE, Scenario, big, chip, document, saving

OLD_SMALL, OLD_BIG = document("old"), big("old")
NEW_SMALL, NEW_BIG = document("new"), big("new")
# Longer than a document, and not JSON.
DAMAGED = b'{"version": 1, "id"' * 250


def writing(name, data):
    """A change that leaves a file with `data`."""

    def change():
        with open(PLACE + "/" + name, "wb") as f:  # noqa: PTH123
            f.write(data)

    return change


def filling(free):
    """A change that leaves `free` sectors to the others."""

    def change():
        with open(PLACE + "/filling", "wb") as f:  # noqa: PTH123
            while os.statvfs(PLACE)[3] > free:
                f.write(b"#" * 1024)
                f.flush()

    return change


def aged(reached):
    """The save, after as many others as it takes, whose erased sectors pass `reached`."""
    flash = cut_flash.Flash(chip(saving(OLD_SMALL), sectors=16))
    while True:
        scenario = Scenario(flash.image(), saving(NEW_SMALL), OLD_SMALL, NEW_SMALL)
        if reached(scenario.erased):
            return scenario
        cut_flash.mount(flash, PLACE)
        config.save(OLD_SMALL)
        vfs.umount(PLACE)


def first():
    return Scenario(chip(), saving(NEW_BIG), None, NEW_BIG)


def grows():
    return Scenario(chip(saving(OLD_SMALL)), saving(NEW_BIG), OLD_SMALL, NEW_BIG)


def shrinks():
    return Scenario(chip(saving(OLD_BIG)), saving(NEW_SMALL), OLD_BIG, NEW_SMALL)


def same():
    return Scenario(chip(saving(OLD_BIG)), saving(OLD_BIG), OLD_BIG, OLD_BIG)


def after_a_cut():
    image = chip(saving(OLD_BIG), writing("config.new", DAMAGED))
    return Scenario(image, saving(NEW_BIG), OLD_BIG, NEW_BIG)


def directory_full():
    """LittleFS writes the directory anew, into the other sector of its pair."""
    return aged(lambda erased: 0 in erased or 1 in erased)


def directory_long():
    """The rename is from one pair of sectors to another: names between the two fill a pair."""
    between = [writing(f"config.k{i:02}", b"#" * 60) for i in range(40)]
    scenario = Scenario(chip(*between, saving(OLD_SMALL)), saving(NEW_SMALL), OLD_SMALL, NEW_SMALL)
    assert scenario.operations > shrinks().operations
    return scenario


def directory_worn():
    """LittleFS moves the directory away from its worn pair; it takes seconds to wear one."""
    return aged(lambda erased: len([sector for sector in erased if sector > 1]) > 1)


def almost_full():
    """The new document takes the last sectors."""
    image = chip(saving(OLD_BIG), filling(2), sectors=16)
    scenario = Scenario(image, saving(NEW_BIG), OLD_BIG, NEW_BIG)
    assert scenario.accepted
    return scenario


def too_full():
    """The new document is refused, with or without a cut."""
    image = chip(saving(OLD_BIG), filling(1), sectors=16)
    scenario = Scenario(image, saving(NEW_BIG), OLD_BIG, NEW_BIG)
    assert not scenario.accepted
    return scenario


def erased():
    return Scenario(chip(saving(OLD_BIG)), config.erase, OLD_BIG, None)


def erased_after_a_cut():
    image = chip(saving(OLD_BIG), writing("config.new", DAMAGED))
    return Scenario(image, config.erase, OLD_BIG, None)


def removed_first():
    """Not how it is done: between the two there is no document."""

    def change():
        os.remove(config.PATH)  # noqa: PTH107
        config.save(NEW_SMALL)

    return Scenario(chip(saving(OLD_SMALL)), change, OLD_SMALL, NEW_SMALL)


ALL = (
    first,
    grows,
    shrinks,
    same,
    after_a_cut,
    directory_full,
    directory_long,
    directory_worn,
    almost_full,
    too_full,
    erased,
    erased_after_a_cut,
)
