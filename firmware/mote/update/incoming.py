"""The folder /update: what a bundle has brought so far, which outlives a restart.

Its manifest says which bundle it is; it is the first thing there and the first to go.
"""

import os

from mote import config

FOLDER = "/update"
_MANIFEST = FOLDER + "/manifest"
_BLOCK = 4096
_IS_FOLDER = 0x4000


def is_of(text):
    """True when what is there belongs to the bundle with this manifest."""
    return read("manifest") == text


def begin(text, instead_of=""):
    """An empty folder for the bundle with this manifest; the folder `instead_of` goes. OSError."""
    clear()
    if instead_of and size(instead_of) >= 0:
        # In one step: nobody finds half of it under its name.
        os.rename(instead_of, FOLDER)
        clear()
    os.mkdir(FOLDER)
    config.write(_MANIFEST, text)


def clear():
    """Away with it. Raises OSError."""
    if size(_MANIFEST) >= 0:
        os.remove(_MANIFEST)
    _remove(FOLDER)


def read(name):
    """The text of a file in it, empty when it is not there."""
    try:
        with open(FOLDER + "/" + name) as file:
            return file.read()
    except OSError:
        return ""


def size(path):
    """Bytes of a file, 0 of a folder, -1 of nothing."""
    try:
        return os.stat(path)[6]
    except OSError:
        return -1


def taken(folder):
    """Bytes of the flash that a folder has: whole blocks, and two for a folder (LittleFS)."""
    blocks = 2
    for name, kind, _, length in _entries(folder):
        inside = taken(folder + "/" + name) if kind & _IS_FOLDER else length
        blocks += -(-inside // _BLOCK)
    return blocks * _BLOCK


def _remove(folder):
    for name, kind, *_ in _entries(folder):
        if kind & _IS_FOLDER:
            _remove(folder + "/" + name)
        else:
            os.remove(folder + "/" + name)
    if size(folder) >= 0:
        os.rmdir(folder)


def _entries(folder):
    try:
        # Listed before anything is removed.
        return list(os.ilistdir(folder))
    except OSError:
        return []
