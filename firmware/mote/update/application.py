"""Receives an application into the slot that does not run.

What comes in lies in a folder of its own until it is whole, and gets the slot's name by one rename,
which LittleFS does atomically: a slot that is there can be started.
"""

import asyncio
import hashlib
import json
import os

from mote import config, update
from mote.commands import Refused
from mote.update import incoming, slots
from mote.update.incoming import FOLDER, size

_LIST = "files"
# Readings that wait for the network, and the settings, need room as well.
_RESERVE = 64 * 1024
_PIECE = 512


class Application:
    """Takes the stream of a bundle; `offset` says how much of it is there, also after a restart.

    The stream begins with the list of the files, a line each: size, SHA-256, path. The files follow
    in its order. Every method raises Refused or OSError.
    """

    def __init__(self, manifest, text):
        if not slots.running():
            raise Refused("the board has one place for the application: flash it anew over USB")
        self._manifest = manifest
        self._slot = slots.FOLDER + slots.other()
        # A slot that is there was put there since, over USB.
        if not incoming.is_of(text) or size(self._slot) >= 0:
            self._look_for_room()
            incoming.begin(text, self._slot)
        self._to_the_first()
        while self._part and self._is_whole():
            self._to_the_next()
        if self._part:
            self._arrived = max(size(self._path), 0)
            if self._arrived >= self._part[0]:
                self._throw_away()

    @property
    def offset(self):
        return self._before + self._arrived

    def write(self, data):
        """Take what follows at `offset`."""
        data = memoryview(data)
        while len(data):
            if not self._part:
                raise Refused("the bundle is longer than its files")
            piece = data[: self._part[0] - self._arrived]
            if not self._arrived:
                _make_folders(self._path)
            with open(self._path, "ab") as file:
                file.write(piece)
            self._arrived += len(piece)
            data = data[len(piece) :]
            if self._arrived == self._part[0]:
                if not self._is_whole():
                    name = self._part[2]
                    self._throw_away()
                    raise Refused("%s arrived damaged" % name)
                self._to_the_next()

    async def check(self):
        """Read all of it once more."""
        self._to_the_first()
        while self._part:
            if not self._is_whole():
                raise Refused("%s is not whole" % self._part[2])
            self._to_the_next()
            await asyncio.sleep_ms(0)

    def switch(self, nonce):
        """From the next start on the new version is on trial; `nonce` is for its outcome."""
        note = {"nonce": nonce, "version": self._manifest["version"], "slot": self._slot[-1]}
        note["counter"] = self._manifest.get("counter", 0)
        config.write(update.NOTE, json.dumps(note))
        os.rename(FOLDER, self._slot)
        slots.begin_trial()

    def _look_for_room(self):
        needed = self._manifest["space"]
        _, fragment, _, free, *_ = os.statvfs("/")
        room = fragment * free + incoming.taken(FOLDER) + incoming.taken(self._slot) - _RESERVE
        if needed > room:
            told = (needed // 1024, max(room, 0) // 1024)
            raise Refused("the bundle needs %d KB of flash, %d KB are free" % told)

    def _throw_away(self):
        os.remove(self._path)
        self._arrived = 0

    def _to_the_first(self):
        first = self._manifest["first"]
        # Bytes of the files before the present one, and of this one; where the list goes on.
        self._before = self._arrived = self._line = 0
        self._part = (first["size"], first["sha256"], _LIST)

    def _to_the_next(self):
        """Go on to the file in the next line of the list; none after the last."""
        self._before += self._part[0]
        self._arrived = 0
        with open(FOLDER + "/" + _LIST, "rb") as file:
            file.seek(self._line)
            line = file.readline()
        self._line += len(line)
        self._part = None
        if line:
            length, digest, path = str(line, "ascii").split()
            self._part = (int(length), digest, path)

    @property
    def _path(self):
        return FOLDER + "/" + self._part[2]

    def _is_whole(self):
        """Whether the present file is there, with the content that the list says."""
        length, digest, _ = self._part
        if size(self._path) != length:
            return False
        sha = hashlib.sha256()
        buffer = memoryview(bytearray(_PIECE))
        with open(self._path, "rb") as file:
            while True:
                count = file.readinto(buffer)
                if not count:
                    return sha.digest() == bytes.fromhex(digest)
                sha.update(buffer[:count])


def _make_folders(path):
    at = path.find("/", len(FOLDER) + 1)
    while at > 0:
        if size(path[:at]) < 0:
            os.mkdir(path[:at])
        at = path.find("/", at + 1)
