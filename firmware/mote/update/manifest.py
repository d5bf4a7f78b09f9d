"""What a bundle says of itself, and whether this board takes it.

A manifest is JSON, signed as the text that it is:

    mote         1: the format
    kind         "application" or "image"
    version      of the application, or of MicroPython in an image
    chip         as the port names it: ESP32, ESP32S3, …
    board        application: the key of its profile, whose pins are inside
    micropython  application: the oldest MicroPython that runs it
    size         bytes of the stream
    space        application: bytes that its files take on the flash
    first        bytes and SHA-256 of what the stream begins with: the list of the files, or all of
                 an image
    downgrade    true lets an older version replace a newer one
"""

import json
import os

from mote import __version__, board
from mote.commands import Refused

FORMAT = 1
_KEY = __file__.rsplit("/", 2)[0] + "/update.key"


async def accepted(text, signed):
    """The manifest of `text`, whose signature is `signed` in hex. Raises Refused."""
    from mote.update import signature

    try:
        if not await signature.verify(_key(), text.encode(), bytes.fromhex(signed)):
            raise Refused("the signature is not by the key that this board was flashed with")
        manifest = json.loads(text)
        if manifest["mote"] != FORMAT:
            raise Refused("the bundle is in format %s, the board reads 1" % manifest["mote"])
        _check(manifest)
        return manifest
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused("the bundle's manifest or signature is damaged") from None


def _key():
    try:
        with open(_KEY) as file:
            return bytes.fromhex(file.read().strip())
    except OSError:
        raise Refused(
            "the board was flashed without a key for updates: flash it once more over USB"
        ) from None


def _check(manifest):
    from mote.update import versions

    if manifest["chip"] != board.chip():
        raise Refused("the bundle is for %s, the board has %s" % (manifest["chip"], board.chip()))
    release = os.uname().release
    present = __version__
    if manifest["kind"] == "image":
        present = release
    else:
        key = board.profile()["key"]
        if manifest["board"] != key:
            raise Refused("the bundle is for the board %s, this is %s" % (manifest["board"], key))
        if versions.older(release, manifest["micropython"]):
            needed = (manifest["micropython"], release)
            raise Refused("the bundle needs MicroPython %s, the board has %s" % needed)
    if versions.older(manifest["version"], present) and not manifest.get("downgrade"):
        told = (manifest["version"], present)
        raise Refused("%s is older than %s: a bundle has to allow a downgrade" % told)
