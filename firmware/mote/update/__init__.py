"""Updates over the air (UPDATES.md): signed, received in pieces, and kept if they get online.

`manifest` and `signature` judge a bundle, `receive` takes its pieces into `slots` (the application)
or `image` (all of MicroPython), `trial` ends what the restart began. All of it is loaded for an
update only; this file stays.
"""

import os

# Which update is on trial, or was, until its outcome is told.
NOTE = "/update.json"
# Bytes that have to be free beside Python's heap with a TLS connection: an update makes that grow
# by 14 KB, and the network goes on (MEMORY.md).
BESIDE_TLS = 32 * 1024
_PARTS = ("manifest", "signature", "versions", "receive", "incoming", "application", "image")
MODULES = tuple("mote.update." + name for name in _PARTS + ("slots", "trial"))


def due():
    """True from the switch to a new version until its outcome is told."""
    try:
        os.stat(NOTE)
        return True
    except OSError:
        return False
