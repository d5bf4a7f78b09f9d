"""Write documents whole or not at all, whatever happens to the power. Loaded for that.

The new file is complete, closed and read back before it is renamed, which LittleFS does atomically.
Documents are long where they hold a certificate: their text is never in the heap in one piece.
"""

import binascii
import json
import os

_PIECE = 256


def write_document(new, path, document):
    """Store `document` as JSON in the file `path` by way of the file `new`. Raises OSError."""
    _store(new, path, _json(document))


def copy(new, path, source):
    """Store what is in the file `source` in the file `path`, as `write_document`."""
    with open(source) as file:
        _store(new, path, _pieces(file))


def checksum(path):
    """Return the CRC-32 of a file. Raises OSError."""
    with open(path) as file:
        return _checksum(_pieces(file))


def checksum_of(document):
    """Return the CRC-32 of the file that `write_document` makes."""
    return _checksum(_json(document))


def _json(value):
    """The JSON of `value` as short pieces of text."""
    if isinstance(value, dict) and value:
        before = "{"
        for key in value:
            yield before + json.dumps(key) + ": "
            yield from _json(value[key])
            before = ", "
        yield "}"
    elif isinstance(value, list) and value:
        before = "["
        for item in value:
            yield before
            yield from _json(item)
            before = ", "
        yield "]"
    elif isinstance(value, str) and len(value) > _PIECE:
        yield '"'
        for at in range(0, len(value), _PIECE):
            yield json.dumps(value[at : at + _PIECE])[1:-1]
        yield '"'
    else:
        yield json.dumps(value)


def _pieces(file):
    while True:
        piece = file.read(_PIECE)
        if not piece:
            return
        yield piece


def _checksum(pieces):
    crc = 0
    for piece in pieces:
        crc = binascii.crc32(piece, crc)
    return crc


def _store(new, path, pieces):
    # What an earlier power cut left: its sectors are free only once the name is gone.
    _remove(new)
    try:
        crc = 0
        with open(new, "w") as file:
            for piece in pieces:
                file.write(piece)
                crc = binascii.crc32(piece, crc)
        if checksum(new) != crc:
            raise OSError(5)
    except OSError:
        _remove(new)
        raise
    os.rename(new, path)


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass
