"""The file system of a board: LittleFS 2, exactly as the ESP32 port mounts it.

A block count that is not that of the region makes a board say "appears to be corrupted" for ever.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from littlefs import LittleFS, LittleFSError, UserContext

from motekit.image.errors import ImageError

BLOCK = 4096
# What `vfs.VfsLfs2` and its `mkfs` take without arguments (MicroPython, extmod/vfs_lfsx.c).
GEOMETRY: dict[str, Any] = {
    "block_size": BLOCK,
    "read_size": 32,
    "prog_size": 32,
    "cache_size": 128,
    "lookahead_size": 32,
    "block_cycles": 100,
    "name_max": 255,
    "disk_version": 0x00020001,
}


def blank(size: int) -> bytearray:
    """An erased region of `size` bytes."""
    return bytearray(b"\xff") * size


def mounted(region: bytearray) -> LittleFS:
    """The file system in `region`, which it changes in place. Raises ImageError if it has none."""
    fs = _over(region)
    try:
        fs.mount()
    except LittleFSError as error:
        raise ImageError(
            f"there is no whole LittleFS in these {len(region)} bytes ({error.name}): "
            "make the image anew with `mote image`"
        ) from error
    return fs


def formatted(region: bytearray) -> LittleFS:
    """A new file system in `region`, mounted."""
    fs = _over(region)
    fs.format()
    fs.mount()
    return fs


def made(files: Mapping[str, bytes], size: int) -> bytes:
    """A region of `size` bytes that holds `files` by their path; the same files, the same bytes.

    Raises ImageError when they do not fit.
    """
    region = blank(size)
    fs = formatted(region)
    try:
        # One order whatever the machine lists first; no times, which MicroPython would keep.
        for name in sorted(files):
            write(fs, name, files[name])
    except LittleFSError as error:
        if error.code != LittleFSError.Error.LFS_ERR_NOSPC:
            raise
        raise ImageError(
            f"the disk is full: {sum(map(len, files.values()))} bytes in {len(files)} files do not "
            f"fit into {size} bytes. Use a board with more flash (`--flash-size`)"
        ) from error
    fs.unmount()
    return bytes(region)


def write(fs: LittleFS, name: str, data: bytes) -> None:
    """Write one file of a mounted file system, its folders included."""
    place = PurePosixPath("/") / name
    if str(place.parent) != "/":
        fs.makedirs(str(place.parent), exist_ok=True)
    with fs.open(str(place), "wb") as file:
        file.write(data)


def content(fs: LittleFS) -> dict[str, bytes]:
    """Every file of a mounted file system by its path."""
    found = {}
    for top, _, names in fs.walk("/"):
        for name in names:
            path = str(PurePosixPath(top) / name)
            with fs.open(path, "rb") as file:
                found[path] = bytes(file.read())
    return dict(sorted(found.items()))


def _over(region: bytearray) -> LittleFS:
    return LittleFS(
        context=UserContext(buffer=region),
        block_count=len(region) // BLOCK,
        mount=False,
        **GEOMETRY,
    )
