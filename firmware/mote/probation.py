"""A new configuration on probation: it stays when the board gets online with it.

Else the old one is back after three minutes, by itself.

The old document waits in a file beside the new one. Every step is one rename or one remove, which
LittleFS does atomically: a power cut at any moment leaves the old configuration or the new one on
probation.
"""

import binascii
import json
import os

from mote import config

_FAULT = "it did not get the board online; the old one is back, or one that was saved since"


def begin(document, nonce):
    """Save `document` on probation; the board has to restart. Raises ConfigError, OSError.

    `nonce` is the command's, for the answer that is due when the outcome is known.
    """
    config.checked(document)
    # The outcome is what config.json holds in the end, not what was begun: the note has its sum.
    note = {"nonce": nonce, "sum": _sum(json.dumps(document))}
    try:
        # Note and old document come first: cut before the last step, nothing is new.
        config.write(config.NOTE, json.dumps(note))
        with open(config.PATH) as source:
            config.write(config.OLD, source.read())
        config.save(document)
    except (OSError, MemoryError):
        # What is refused has no outcome.
        config.keep()
        told()
        raise


def passed():
    """The board is online: the configuration that it has stays.

    Returns (nonce, fault) of a probation whose outcome is not `told`, None when there is none; the
    fault is empty when the new configuration stays.
    """
    config.keep()
    try:
        with open(config.NOTE) as file:
            note = json.load(file)
        with open(config.PATH) as file:
            return note["nonce"], "" if _sum(file.read()) == note["sum"] else _FAULT
    except (OSError, ValueError, KeyError, TypeError):
        return None


def told():
    """The outcome is out: once is enough."""
    try:
        os.remove(config.NOTE)
    except OSError:
        pass


def failed():
    """Three minutes without success: the old configuration is back; the board has to restart."""
    os.rename(config.OLD, config.PATH)


def _sum(text):
    return binascii.crc32(text.encode())
