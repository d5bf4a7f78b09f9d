"""Starts Mote from one of two folders, /app_a and /app_b (UPDATES.md). No update changes this file.

Ctrl-C and a key lead to the REPL; anything else that ends Mote restarts the board.
"""

import json
import os
import sys

import micropython

# Who asks for the board by Improv while it starts sends the byte of Ctrl-C in every frame: what is
# typed waits, until `mote.console` looks at it.
micropython.kbd_intr(-1)

_STATE, _NEW, _SLOT = "/slots.json", "/slots.new", "/app_"


def _state():
    try:
        with open(_STATE) as file:
            state = json.load(file)
        return state if state["slot"] in ("a", "b") else {}
    except Exception:
        return {}


def _save(state):
    try:
        with open(_NEW, "w") as file:
            json.dump(state, file)
        os.rename(_NEW, _STATE)
        return True
    except OSError as error:
        print("E 0 main: %s is not written: errno %s" % (_STATE, error.errno))
        return False


def _there(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def _other(slot):
    return "a" if slot == "b" else "b"


def _choose():
    """The slot to start. A start of one on trial is counted before anything of it is loaded."""
    state = _state()
    slot = state.get("slot", "a")
    if "starts" in state:
        if state["starts"] < 1:
            _give_up(slot, "it was not online after its last start")
            return _other(slot)
        # What cannot be counted is not tried.
        if not _save({"slot": slot, "starts": state["starts"] - 1}):
            return _other(slot)
    return slot if _there(_SLOT + slot) else _other(slot)


def _give_up(slot, why):
    print("E 0 main: %s%s: %s" % (_SLOT, slot, why))
    _save({"slot": _other(slot), "fault": why})


def _failed(slot, error):
    """`slot` cannot be loaded: the other one is next, if it can be."""
    # A new MicroPython on trial makes room for the old one, which runs this slot.
    of_image = _there("/update.json") and "starts" not in _state()
    if _there(_SLOT + _other(slot)) and not of_image:
        _give_up(slot, "%s: %s" % (type(error).__name__, error))


def _start():
    slot = _choose()
    # A board that was flashed before there were slots has /mote.
    sys.path.insert(0, _SLOT + slot)
    try:
        from mote import app
    except Exception as error:
        _failed(slot, error)
        raise
    return app


try:
    _start().main()
except KeyboardInterrupt:
    print("I 0 app: stopped by Ctrl-C; restart with machine.reset()")
except BaseException as error:
    # Even a half-copied firmware must not leave the board in the REPL for good.
    import time

    import machine

    micropython.kbd_intr(3)
    sys.print_exception(error)
    print("E 0 app: restarting in 10 s, Ctrl-C stops it")
    time.sleep(10)
    machine.reset()
