"""`os` of the ESP32 port: `uname` and `dupterm` are there, a shell and an environment are not."""

import uos
import world
from uos import (
    VfsFat,
    VfsLfs2,
    chdir,
    getcwd,
    ilistdir,
    listdir,
    mkdir,
    mount,
    remove,
    rename,
    rmdir,
    stat,
    statvfs,
    umount,
    unlink,
    urandom,
)

_FIELDS = ("sysname", "nodename", "release", "version", "machine")


class _Uname(tuple):
    def __getattr__(self, name):
        return self[_FIELDS.index(name)]


def uname():
    return _Uname(world.ask("os.uname"))


def sync():
    pass
