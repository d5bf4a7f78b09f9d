"""Runs on MicroPython: mounts the files of an image as a board does and prints what it reads.

Arguments: the image, offset and size of the region in bytes. One JSON line: the digest of each file
by its path, the configuration, and what was written and read again after a second mount.
"""

import hashlib
import json
import os
import sys

import vfs

BLOCK = 4096


class Device:
    """The region as a block device, in memory: what is written stays here."""

    def __init__(self, path, offset, size):
        self.data = bytearray(size)
        with open(path, "rb") as image:
            image.seek(offset)
            assert image.readinto(self.data) == size

    def readblocks(self, block, buffer, offset=0):
        start = block * BLOCK + offset
        buffer[:] = memoryview(self.data)[start : start + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        start = block * BLOCK + offset
        self.data[start : start + len(buffer)] = buffer

    def ioctl(self, operation, argument):
        if operation == 4:
            return len(self.data) // BLOCK
        if operation == 5:
            return BLOCK
        if operation == 6:
            start = argument * BLOCK
            self.data[start : start + BLOCK] = b"\xff" * BLOCK
        return 0


def digests(folder):
    found = {}
    for name, kind, *_ in os.ilistdir(folder):
        path = folder + "/" + name
        if kind == 0x4000:
            found.update(digests(path))
        else:
            with open(path, "rb") as file:
                found[path[len("/board") :]] = hashlib.sha256(file.read()).digest().hex()
    return found


device = Device(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
vfs.mount(vfs.VfsLfs2(device), "/board")
answer = {"files": digests("/board")}
if "/config.json" in answer["files"]:
    with open("/board/config.json") as file:
        answer["config"] = json.load(file)
with open("/board/written", "w") as file:
    file.write("x" * 10000)
vfs.umount("/board")
vfs.mount(vfs.VfsLfs2(device), "/board")
with open("/board/written") as file:
    answer["written"] = len(file.read())
print(json.dumps(answer))
