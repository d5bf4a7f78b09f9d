"""Updates over the air (UPDATES.md): signed, received in pieces, and kept if they get online.

`manifest` and `signature` judge a bundle, `receive` takes its pieces into `slots` (the application)
or `image` (all of MicroPython), `trial` ends what the restart began. All of it is loaded for an
update only; this file stays.
"""

import os

# Which update is on trial, or was, until its outcome is told.
NOTE = "/update.json"
_PARTS = (
    "manifest", "signature", "versions", "counter",
    "receive", "incoming", "application", "image", "slots", "trial",
)  # fmt: skip
MODULES = tuple("mote.update." + name for name in _PARTS)
# What judges a bundle, and is not needed while it comes in.
JUDGES = MODULES[:4]


def due():
    """True from the switch to a new version until its outcome is told."""
    try:
        os.stat(NOTE)
        return True
    except OSError:
        return False
