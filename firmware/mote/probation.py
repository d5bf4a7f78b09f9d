"""A new configuration on probation: it stays when the board gets online with it.

Else the old one is back after three minutes, by itself.

The old document waits in a file beside the new one. Every step is one rename or one remove, which
LittleFS does atomically: a power cut at any moment leaves the old configuration or the new one on
probation.
"""

import json
import os

from mote import atomic_file, config

_LONG = 512
_FAULT = "it did not get the board online; the old one is back, or one that was saved since"


def begin(document, nonce):
    """Save `document` on probation; the board has to restart. Raises ConfigError, OSError.

    `nonce` is the command's, for the answer that is due when the outcome is known. A document with
    a certificate, or where memory is short, is checked by the next start, which has enough.
    """
    try:
        if not _is_long(document):
            config.checked(document)
    except MemoryError:
        pass
    # The outcome is what config.json holds in the end, not what was begun: the note has its sum.
    note = {"nonce": nonce, "sum": atomic_file.checksum_of(document)}
    try:
        # Note and old document come first: cut before the last step, nothing is new.
        config.write(config.NOTE, json.dumps(note))
        atomic_file.copy(config._NEW, config.OLD, config.PATH)
        atomic_file.write_document(config._NEW, config.PATH, document)
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
        note = _note()
        stays = atomic_file.checksum(config.PATH) == note["sum"]
        return note["nonce"], "" if stays else note.get("fault") or _FAULT
    except (OSError, ValueError, KeyError, TypeError):
        return None


def told():
    """The outcome is out: once is enough."""
    try:
        os.remove(config.NOTE)
    except OSError:
        pass


def failed(fault=""):
    """The old configuration is back, because of `fault`; the board has to restart."""
    if fault:
        try:
            config.write(config.NOTE, json.dumps(dict(_note(), fault=fault)))
        except (OSError, ValueError, TypeError):
            # The reason is lost, the way back is not.
            pass
    os.rename(config.OLD, config.PATH)


def _note():
    with open(config.NOTE) as file:
        return json.load(file)


def _is_long(document):
    server = document.get("mqtt") if isinstance(document, dict) else None
    ca = server.get("ca") if isinstance(server, dict) else None
    return isinstance(ca, str) and len(ca) > _LONG
