"""A configuration on probation survives a power cut at every flash operation, both ways."""

import json
import os

import cut_flash
import vfs
from cut_scenarios import filling
from mote import config, probation
from power_cuts import PLACE, Scenario, big, chip, document, saving

config.OLD, config.NOTE = PLACE + "/config.old", PLACE + "/config.note"
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


def outcome_fault(image):
    """What the sender is told has to be true, and is told until it is out."""
    cut_flash.mount(cut_flash.Flash(image), PLACE)
    try:
        outcome = probation.passed()
        if "config.note" not in os.listdir(PLACE):
            return None
        if outcome is None or outcome[0] != "nonce":
            return "there is a note and no outcome"
        if (outcome[1] == "") != (config.load() == NEW):
            return "told %s with %s at work" % (outcome, config.load()["id"])
        if probation.passed() != outcome:
            return "another outcome the second time"
        return None
    finally:
        vfs.umount(PLACE)


def told_wrongly(scenario):
    found = []
    for *cut, _ in scenario.faults():
        fault = outcome_fault(scenario.left)
        if fault:
            found.append((cut, fault))
    return found


def test_the_outcome_that_is_told_is_the_one_that_is_there():
    on_trial = chip(saving(OLD), begin)
    for scenario in (
        Scenario(chip(saving(OLD)), begin, OLD, NEW),
        Scenario(on_trial, probation.failed, NEW, OLD),
        Scenario(on_trial, probation.passed, NEW, NEW),
    ):
        wrong = told_wrongly(scenario)
        assert not wrong, wrong[:5]


def test_on_a_flash_that_is_too_full_it_is_refused_and_leaves_nothing():
    large = big("old")
    changes = [saving(large), filling(2)]
    flash = cut_flash.Flash(chip(*changes, sectors=16))
    cut_flash.mount(flash, PLACE)
    try:
        try:
            probation.begin(big("new"), "nonce")
            raise AssertionError("it fits")
        except OSError:
            pass
        assert config.load() == large and probation.passed() is None
        assert sorted(os.listdir(PLACE)) == ["config.json", "filling"]
    finally:
        vfs.umount(PLACE)


def test_what_a_cut_leaves_is_erased_with_the_rest():
    scenario = Scenario(chip(saving(OLD)), begin, OLD, NEW)
    for *_, _ in scenario.faults():
        cut_flash.mount(cut_flash.Flash(scenario.left), PLACE)
        try:
            config.erase()
            assert os.listdir(PLACE) == [], os.listdir(PLACE)
        finally:
            vfs.umount(PLACE)


def test_an_outcome_is_told_once_and_says_what_went_wrong():
    flash = cut_flash.Flash(chip(saving(OLD), begin, probation.failed))
    cut_flash.mount(flash, PLACE)
    try:
        nonce, fault = probation.passed()
        assert nonce == "nonce" and "the old one is back" in fault
        probation.told()
        assert probation.passed() is None and config.load() == OLD
    finally:
        vfs.umount(PLACE)
