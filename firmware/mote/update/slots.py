"""Which of the folders /app_a and /app_b runs: what main.py reads, and changes on trial.

/slots.json holds `slot`, the one to start; `starts`, how many starts it has left, while it is on
trial; and `fault`, why the last trial failed. UPDATES.md draws it.
"""

import json

from mote import config, patience

STATE = "/slots.json"
FOLDER = "/app_"


def running():
    """The slot of this very file, "a" or "b"; an empty text on a board that has none."""
    folder = __file__.rsplit("/mote/", 1)[0]
    return folder[-1] if folder[:-1].endswith(FOLDER) else ""


def other():
    """The slot that does not run."""
    return "a" if running() == "b" else "b"


def on_trial():
    """True until the slot that runs is confirmed."""
    state = _state()
    return "starts" in state and state["slot"] == running()


def begin_trial():
    """The other slot is started next. Raises OSError."""
    _write({"slot": other(), "starts": patience.UPDATE_STARTS})


def confirm():
    """The slot that runs stays. Raises OSError."""
    if on_trial():
        _write({"slot": running()})


def roll_back(why):
    """The slot before this one is started next, and says why. Raises OSError."""
    _write({"slot": other(), "fault": why})


def fault():
    """Why the last trial failed, or an empty text."""
    return _state().get("fault", "")


def _state():
    try:
        with open(STATE) as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def _write(state):
    config.write(STATE, json.dumps(state))
