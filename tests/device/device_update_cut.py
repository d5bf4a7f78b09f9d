"""An update survives a power cut at every flash operation: the board starts, and can go on."""

import asyncio

from mote.update import slots
from update_cuts import Chip, made, runs, started, survives
from update_releases import NEW_STAYS, OLD_STAYS, V1, Release, flashed, online, received

V0, V2 = Release("0.1.8"), Release("0.1.10")


def updated_before():
    V0.install("b")


def starts_whole(chip):
    """The slot that starts has all of the old version, or all of the new one."""
    slot = chip.start()
    if not {"a": V1, "b": V2}[slot].is_in(slot):
        return "slot %s is not whole" % slot
    return None


def can_go_on(chip, began):
    fault = starts_whole(chip)
    if fault or slots.running() == "b":
        return fault
    if online() not in (None, OLD_STAYS):
        return "the outcome is not true"
    began.append(received(V2))
    if chip.start() != "b" or not V2.is_in("b"):
        return "the update did not go on"
    return None if online() == NEW_STAYS else "the second time the outcome is not true"


def receive():
    received(V2)


def test_while_the_first_update_comes_in_and_is_switched_to():
    began = []
    content = made(flashed)
    assert survives(content, receive, lambda chip: can_go_on(chip, began), "a") > 200
    # What had come in need not be sent again: at most a file less, where its last piece was torn.
    assert began[0] == 0 and max(began) == len(V2.stream)
    back = [i for i in range(1, len(began)) if began[i] < began[i - 1]]
    assert len(back) < len(began) // 4, began


def test_while_an_update_takes_the_place_of_an_older_version():
    content = made(flashed, updated_before)
    assert survives(content, receive, lambda chip: can_go_on(chip, []), "a") > 200


def switched():
    runs("a")
    received(V2)


def test_while_the_starts_of_a_trial_are_counted_until_the_old_version_is_back():
    def every_start():
        for _ in range(4):
            started()

    def ends_with_the_old_one(chip):
        fault = starts_whole(chip)
        for _ in range(4):
            fault = fault or starts_whole(chip)
        if fault or slots.running() != "a":
            return fault or "the trial does not end"
        _, nonce, why = online()
        if (nonce, why) != ("nonce", "rolled back: it was not online after its last start"):
            return why
        return "the outcome is told twice" if online() else None

    survives(made(flashed, switched), every_start, ends_with_the_old_one, "b")


def test_while_a_new_version_is_confirmed_and_its_outcome_told():
    def stays(chip):
        fault = starts_whole(chip)
        told = online()
        if told not in (None, NEW_STAYS):
            return told
        for _ in range(5):
            fault = fault or starts_whole(chip)
        return fault or ("it went" if slots.running() != "b" else None)

    survives(made(flashed, switched), online, stays, "b")


def test_while_a_version_that_does_not_get_online_is_rolled_back():
    def either(chip):
        fault = starts_whole(chip)
        told = online()
        wanted = {"a": "rolled back: no network", "b": ""}[slots.running()]
        return fault or (None if told[2] == wanted else told)

    survives(made(flashed, switched), lambda: slots.roll_back("no network"), either, "b")


def test_a_switch_in_the_wrong_order_is_found():
    def wrongly():
        slots.begin_trial()
        V2.install("b")

    try:
        survives(made(flashed), wrongly, starts_whole, "a")
    except AssertionError as found:
        assert "not whole" in str(found), found
    else:
        raise AssertionError("nothing was found")


def test_a_damaged_file_is_not_switched_to():
    with Chip(made(flashed)):
        runs("a")
        stream = V2.receive()
        while stream.offset < len(V2.stream):
            stream.write(V2.stream[stream.offset : stream.offset + 1024])
        with open("/update/mote/app.mpy", "r+b") as file:
            file.write(b"?")
        try:
            asyncio.run(stream.check())
        except Exception as refused:
            assert "mote/app.mpy is not whole" in str(refused)
        else:
            raise AssertionError("it was taken")
