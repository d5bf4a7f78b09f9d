"""The counters of bundles: the highest one that stayed, for applications and for images.

They are in NVS, which no update, no slot, no erased configuration and no flash over USB without
`--erase` changes. A version that was rolled back does not count: its bundle can be sent again.
"""

from esp32 import NVS

_KEYS = {"application": "app_counter", "image": "img_counter"}
_DIGITS_MAX = 20


def highest(kind):
    """Return the counter of the newest bundle of this kind that stayed, 0 when there was none."""
    buffer = bytearray(_DIGITS_MAX)
    try:
        size = NVS("mote").get_blob(_KEYS[kind], buffer)
        return int(str(buffer[:size], "ascii"))
    except (OSError, ValueError):
        return 0


def keep(kind, number):
    """Remember the counter of a bundle that stays. Raises OSError."""
    if number > highest(kind):
        store = NVS("mote")
        store.set_blob(_KEYS[kind], str(number).encode())
        store.commit()
