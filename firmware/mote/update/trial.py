"""A new version on trial: it stays when the board gets online with it, else the old one is back.

`watch` and `conclude` are at work at the same time: one ends the patience, the other the trial.
"""

import asyncio
import json
import os
import time

from mote import config, contract, log, patience, starts, system, update
from mote.update import slots

_NOT_ONLINE = "it did not get online within %d s" % (patience.UPDATE_TRIAL_MS // 1000)
_NOT_STARTED = "it did not start, or restarted before it was online"
_STEP_MS = 2_000


async def watch():
    """Restart into the old version when the new one does not get the board online in time."""
    if not _on_trial():
        return
    log.info(contract.LOG_UPDATE_TRIAL + _note()["version"])
    since = time.ticks_ms()
    # Not one long sleep: what is over gives its memory back.
    while time.ticks_diff(time.ticks_ms(), since) < patience.UPDATE_TRIAL_MS:
        await asyncio.sleep_ms(_STEP_MS)
        if not _on_trial():
            return
    log.error(contract.LOG_ROLLED_BACK + _NOT_ONLINE)
    if slots.on_trial():
        slots.roll_back(_NOT_ONLINE)
    # An image is undone by the boot loader: it was not marked as valid.
    system.restart("the old version is back")


async def conclude(commands):
    """The board is online: the new version stays, and the outcome is told. Raises OSError."""
    note = _note()
    if not note:
        os.remove(update.NOTE)
        return
    if "fault" not in note:
        if _runs(note):
            _confirm(note)
            note["fault"] = ""
            log.info(contract.LOG_UPDATED + note["version"])
        else:
            note["fault"] = "rolled back: %s" % _fault()
        # From here on the outcome is settled, however often telling it fails.
        config.write(update.NOTE, json.dumps(note))
    # Without a nonce its sender was the owner before this one.
    if note.get("nonce"):
        await commands.conclude("update", note["nonce"], note["fault"])
    os.remove(update.NOTE)


def _note():
    try:
        with open(update.NOTE) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def _on_trial():
    note = _note()
    return note and "fault" not in note and _runs(note)


def _runs(note):
    """True when what the note tells of is at work."""
    if "slot" in note:
        return note["slot"] == slots.running()
    return note["partition"] == _partition()


def _partition():
    from esp32 import Partition

    return Partition(Partition.RUNNING).info()[4]


def _confirm(note):
    from mote.update import counter

    # First: with a cut in between, the bundle that goes back may come again, and no older one.
    counter.keep("application" if "slot" in note else "image", note.get("counter", 0))
    if "slot" in note:
        slots.confirm()
    else:
        from esp32 import Partition

        Partition.mark_app_valid_cancel_rollback()


def _fault():
    """Why, as far as it is known: the last words of a crash say the most."""
    lines = starts.untold().strip().split("\n")
    fault = slots.fault() or _NOT_STARTED
    return "%s (%s)" % (fault, lines[-1]) if lines[-1] else fault
