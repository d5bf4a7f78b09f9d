"""A configuration on probation survives a power cut at every flash operation, both ways."""

import json
import os

import cut_flash
import vfs
from mote import config, probation
from power_cuts import PLACE, Scenario, chip, document, saving

config.OLD, config.NOTE = PLACE + "/config.old", PLACE + "/config.note"
probation._SCRATCH = PLACE + "/config.tmp"
OLD, NEW = document("old"), document("new")


def begin():
    probation.begin(NEW, "nonce")


def broken(scenario, kept):
    """Each cut after which something is wrong; `kept` is what must be in config.old."""
    found = []
    for *cut, fault in scenario.faults():
        fault = fault or other_fault(scenario.left, kept)
        if fault:
            found.append((cut, fault))
    return found


def other_fault(image, kept):
    """What stands beside the configuration has to be whole as well: it may take its place."""
    cut_flash.mount(cut_flash.Flash(image), PLACE)
    try:
        names = os.listdir(PLACE)
        if "config.old" in names:
            with open(config.OLD) as f:
                if json.load(f) != kept:
                    return "config.old is another document"
        if "config.note" in names:
            with open(config.NOTE) as f:
                json.load(f)
        return None
    except ValueError:
        return "a file is not whole"
    finally:
        vfs.umount(PLACE)


def test_when_it_begins_the_old_or_the_new_one_is_there_and_the_old_one_can_come_back():
    wrong = broken(Scenario(chip(saving(OLD)), begin, OLD, NEW), OLD)
    assert not wrong, wrong[:5]


def test_when_it_fails_the_old_one_is_back_or_the_trial_goes_on():
    on_trial = chip(saving(OLD), begin)
    wrong = broken(Scenario(on_trial, probation.failed, NEW, OLD), OLD)
    assert not wrong, wrong[:5]


def test_when_it_passes_the_new_one_stays():
    on_trial = chip(saving(OLD), begin)
    wrong = broken(Scenario(on_trial, probation.passed, NEW, NEW), OLD)
    assert not wrong, wrong[:5]


def test_an_outcome_is_told_once_and_says_what_went_wrong():
    flash = cut_flash.Flash(chip(saving(OLD), begin, probation.failed))
    cut_flash.mount(flash, PLACE)
    try:
        nonce, fault = probation.passed()
        assert nonce == "nonce" and "the old one is back" in fault
        assert probation.passed() is None and config.load() == OLD
    finally:
        vfs.umount(PLACE)
