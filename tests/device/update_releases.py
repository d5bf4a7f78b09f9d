"""Releases to update to, and what receives them: all that is done between two power cuts."""

import asyncio
import hashlib
import json
import os

from update_cuts import SECTOR, application, image, incoming, loader, trial, update

NEW_STAYS = ("update", "nonce", "")
OLD_STAYS = (
    "update",
    "nonce",
    "rolled back: it did not start, or restarted before it was online",
)


class Release:
    """Files of an application, as a bundle and as a slot."""

    def __init__(self, version):
        self.version = version
        text = (version + " ") * 400
        self.files = {
            "mote/app.mpy": text[:700].encode(),
            "mote/portal/en.page": (text + text).encode(),
            "mote/wifi/station.mpy": text[:2100].encode(),
        }
        lines = ["%d %s %s\n" % (len(d), _sum(d), n) for n, d in sorted(self.files.items())]
        names = "".join(lines).encode()
        self.stream = names + b"".join(self.files[name] for name in sorted(self.files))
        self.manifest = _manifest(version, names, self.stream)
        self.text = json.dumps(self.manifest)

    def install(self, slot):
        """As a cable does."""
        for name, data in self.files.items():
            path = "/app_%s/%s" % (slot, name)
            incoming_folders(path)
            with open(path, "wb") as file:
                file.write(data)

    def is_in(self, slot):
        """Whether a slot holds all of it and nothing else."""
        found = {}
        folders = ["/app_" + slot]
        while folders:
            folder = folders.pop()
            for name, kind, *_ in os.ilistdir(folder):
                path = folder + "/" + name
                if kind & 0x4000:
                    folders.append(path)
                elif name not in ("manifest", "files"):
                    with open(path, "rb") as file:
                        found[path[7:]] = file.read()
        return found == self.files

    def receive(self):
        return application.Application(self.manifest, self.text)


class Image:
    """An image of MicroPython."""

    def __init__(self, version):
        self.version = version
        self.stream = b"\xe9" + (version.encode() + b"-") * 3000
        self.stream = self.stream[: 4 * SECTOR + 1024]
        self.manifest = _manifest(version, self.stream, self.stream)
        self.text = json.dumps(self.manifest)

    def install(self, label):
        place = loader.table[label][1]
        for at in range(0, len(self.stream), SECTOR):
            loader.chip.erase(place + at)
            loader.chip.write(place + at, self.stream[at : at + SECTOR])

    def is_in(self, label):
        data = bytearray(len(self.stream))
        loader.chip.read(loader.table[label][1], data)
        return data == self.stream

    def receive(self):
        return image.Image(self.manifest, self.text)


def received(release, nonce="nonce"):
    """The rest of a bundle is sent, checked and switched to; from which byte on."""
    stream = release.receive()
    began = stream.offset
    while stream.offset < len(release.stream):
        stream.write(release.stream[stream.offset : stream.offset + 1024])
    asyncio.run(stream.check())
    stream.switch(nonce)
    return began


class Sender:
    """Hears the outcome."""

    def __init__(self):
        self.told = []

    async def conclude(self, name, nonce, fault):
        self.told.append((name, nonce, fault))


def online():
    """The board gets online: what the sender is told, None when nothing is due."""
    if not update.due():
        return None
    sender = Sender()
    asyncio.run(trial.conclude(sender))
    return sender.told[0] if sender.told else None


def incoming_folders(path):
    at = path.find("/", 1)
    while at > 0:
        if incoming.size(path[:at]) < 0:
            os.mkdir(path[:at])
        at = path.find("/", at + 1)


def _manifest(version, first, stream):
    return {
        "version": version,
        "size": len(stream),
        "space": 16 * SECTOR,
        "first": {"size": len(first), "sha256": _sum(first)},
    }


def _sum(data):
    return "".join("%02x" % byte for byte in hashlib.sha256(data).digest())


V1 = Release("0.1.9")


def flashed():
    """A board as `mote firmware` makes it."""
    V1.install("a")
    with open("/slots.json", "w") as file:
        json.dump({"slot": "a"}, file)
