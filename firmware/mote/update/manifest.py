"""What a bundle says of itself, and whether this board takes it.

A manifest is JSON, signed as the text that it is:

    mote         1: the format
    kind         "application" or "image"
    version      of the application, or of MicroPython in an image
    chip         as the port names it: ESP32, ESP32S3, …
    counter      Unix seconds when the bundle was made: a board that took one refuses older ones
    board        the key of the board's profile; an application has its pins inside
    micropython  application: the oldest MicroPython that runs it
    size         bytes of the stream
    space        application: bytes that its files take on the flash
    first        bytes and SHA-256 of what the stream begins with: the list of the files, or all of
                 an image
    downgrade    lets an older version replace a newer one: {"replaces": the version that is there,
                 "device": the id of the only board that takes it}, one of them or both

Earlier bundles have no counter, and `true` for downgrade. A board takes those without a counter
until it has kept one that has it, and no downgrade that does not say what for.
"""

import json
import os

from mote import __version__, board, config
from mote.commands import Refused

FORMAT = 1


def accepted(text):
    """Return the manifest of `text`, whose signature is good. Raises Refused."""
    try:
        manifest = json.loads(text)
        if manifest["mote"] != FORMAT:
            raise Refused("the bundle is in format %s, the board reads 1" % manifest["mote"])
        _check(manifest)
        return manifest
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused("the bundle's manifest is damaged") from None


def _check(manifest):
    from mote.update import counter, versions

    if manifest["chip"] != board.chip():
        raise Refused("the bundle is for %s, the board has %s" % (manifest["chip"], board.chip()))
    release = os.uname().release
    present = __version__
    key = board.profile()["key"]
    # Earlier bundles of images do not name a board.
    if (manifest["kind"] != "image" or "board" in manifest) and manifest["board"] != key:
        raise Refused("the bundle is for the board %s, this is %s" % (manifest["board"], key))
    if manifest["kind"] == "image":
        present = release
    else:
        if versions.older(release, manifest["micropython"]):
            needed = (manifest["micropython"], release)
            raise Refused("the bundle needs MicroPython %s, the board has %s" % needed)
    _check_counter(manifest.get("counter", 0), counter.highest(manifest["kind"]))
    _check_downgrade(manifest, present, versions.older(manifest["version"], present))


def _check_counter(number, highest):
    """Refuse a bundle that is older than one that stayed: it is a replay."""
    if type(number) is not int or number < 0:
        raise ValueError
    if not number and highest:
        raise Refused(
            "the bundle has no counter, and this board has taken one that has: make it anew with "
            "`mote bundle`"
        )
    if number < highest:
        raise Refused(
            "the bundle is older than the one that this board kept last (counter %d, not %d): "
            "make it anew with `mote bundle`, on a computer whose clock is right"
            % (number, highest)
        )


def _check_downgrade(manifest, present, older):
    allowed = manifest.get("downgrade")
    if older and not allowed:
        told = (manifest["version"], present)
        raise Refused("%s is older than %s: a bundle has to allow a downgrade" % told)
    if not isinstance(allowed, dict):
        if older:
            raise Refused(
                "the bundle allows a downgrade of any board at any time: make it anew with `mote "
                "bundle --downgrade`, for a version or a device"
            )
        return
    device, replaces = allowed.get("device"), allowed.get("replaces")
    if not (device or replaces):
        raise ValueError
    if device and device != config.saved_id():
        raise Refused("the bundle is for the board with the id %s only" % device)
    if replaces and replaces != present:
        told = (replaces, present)
        raise Refused("the bundle takes the place of version %s only, this is %s" % told)
