"""A new configuration on probation: it stays when the board gets online with it.

Else the old one is back after three minutes, by itself.

The old document waits in a file beside the new one. Every step is one rename or one remove, which
LittleFS does atomically: a power cut at any moment leaves the old configuration or the new one on
probation.
"""

import json
import os

from mote import config, patience

_SCRATCH = "/config.tmp"


def begin(document, nonce):
    """Save `document` on probation; the board has to restart. Raises ConfigError, OSError.

    `nonce` is the command's, for the answer that is due when the outcome is known.
    """
    config.checked(document)
    # Note and old document come first: cut before the last step, nothing is new.
    _write(config.NOTE, json.dumps({"nonce": nonce, "outcome": ""}))
    with open(config.PATH) as source:
        _write(config.OLD, source.read())
    config.save(document)


def passed():
    """The board is online: the configuration that it has stays.

    Returns (nonce, fault) of a probation that is over, once, and None when there was none; the
    fault is empty when the new configuration stays.
    """
    if _exists(config.OLD):
        os.remove(config.OLD)
    if not _exists(config.NOTE):
        return None
    note = _read_note()
    os.remove(config.NOTE)
    return note["nonce"], note["outcome"]


def failed():
    """Three minutes without success: the old configuration is back; the board has to restart."""
    note = _read_note()
    limit_s = patience.PROBATION_MS // 1000
    note["outcome"] = "the board did not get online within %d s; the old one is back" % limit_s
    _write(config.NOTE, json.dumps(note))
    os.rename(config.OLD, config.PATH)


def _write(path, text):
    """Whole or not at all: a file that is opened and cut is there, and empty."""
    with open(_SCRATCH, "w") as file:
        file.write(text)
    os.rename(_SCRATCH, path)


def _read_note():
    try:
        with open(config.NOTE) as file:
            return json.load(file)
    except (OSError, ValueError):
        return {"nonce": "", "outcome": ""}


def _exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True
