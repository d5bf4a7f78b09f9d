"""Receives an image of MicroPython into the application slot of the flash that does not run.

Only on boards whose partition table has two. The boot loader of ESP-IDF starts the new image once,
and the one before again unless `trial` marks it as valid.
"""

import asyncio
import hashlib
import json
import os

from esp32 import Partition

from mote import config, update
from mote.commands import Refused
from mote.update import incoming

_SECTOR = 4096
_ERASE = 6
# How far it is, is written down that often.
_NOTED = 32 * 1024
_AT = "at"
# What Partition.info tells.
_SIZE, _LABEL = 3, 4


class Image:
    """Takes the stream of a bundle, which is the image. As `Application`."""

    def __init__(self, manifest, text):
        try:
            self._slot = Partition(Partition.RUNNING).get_next_update()
        except OSError:
            raise Refused(
                "the flash of this board has one slot for MicroPython: only the application can be "
                "updated over the air, MicroPython over USB"
            ) from None
        self._manifest = manifest
        room = self._slot.info()[_SIZE]
        if manifest["size"] > room:
            told = (manifest["size"] // 1024, room // 1024)
            raise Refused("the image has %d KB, the slot for it %d KB" % told)
        if not incoming.is_of(text):
            incoming.begin(text)
        self.offset = int(incoming.read(_AT) or 0)

    def write(self, data):
        block, within = divmod(self.offset, _SECTOR)
        if not within:
            self._slot.ioctl(_ERASE, block)
        self._slot.writeblocks(block, data, within)
        self.offset += len(data)
        if self.offset % _NOTED == 0 or self.offset == self._manifest["size"]:
            config.write(incoming.FOLDER + "/" + _AT, str(self.offset))

    async def check(self):
        sha = hashlib.sha256()
        buffer = memoryview(bytearray(1024))
        for at in range(0, self.offset, len(buffer)):
            piece = buffer[: min(len(buffer), self.offset - at)]
            self._slot.readblocks(at // _SECTOR, piece, at % _SECTOR)
            sha.update(piece)
            await asyncio.sleep_ms(0)
        if sha.digest() != bytes.fromhex(self._manifest["first"]["sha256"]):
            # From the beginning: which of the pieces it was, nobody knows.
            incoming.clear()
            raise Refused("the image arrived damaged: send it anew")

    def switch(self, nonce):
        """From the next start on the new image is on trial; `nonce` is for its outcome."""
        label = self._slot.info()[_LABEL]
        note = {"nonce": nonce, "version": self._manifest["version"], "partition": label}
        note["counter"] = self._manifest.get("counter", 0)
        config.write(update.NOTE, json.dumps(note))
        try:
            self._slot.set_boot()
        except OSError as error:
            os.remove(update.NOTE)
            incoming.clear()
            raise Refused("the chip does not take this image: %s" % error) from None
        incoming.clear()
