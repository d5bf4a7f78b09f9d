"""What is in an image: one made here, one as downloaded, or one that was read from a board."""

import contextlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from mote import json_text

from motekit.firmware import tree
from motekit.image import filesystem, micropython
from motekit.image.errors import ImageError
from motekit.image.micropython import MicroPython, Region

# The string in the compiled package that `mote.__version__` is.
_VERSION = re.compile(rb"\d+\.\d+\.\d+[\w.+-]*")


@dataclass(frozen=True)
class Contents:
    """`files` are sizes in bytes by path, `used` the bytes of the blocks that they take.

    `region` is None where the image ends before the files; `fault` says why they cannot be read.
    `update_key` is the public key whose updates over the air it accepts, empty for none.
    """

    runtime: MicroPython
    region: Region | None
    used: int
    files: dict[str, int]
    mote: str
    board: str
    fault: str
    update_key: bytes = b""


def look(data: bytes) -> Contents:
    """What `data` holds. Raises ImageError when it is not an image at all."""
    runtime = micropython.read(data)
    region = _region(runtime)
    if region is None:
        return Contents(runtime, None, 0, {}, "", "", "")
    start = region.offset - runtime.offset
    try:
        fs = filesystem.mounted(bytearray(data[start : start + region.size]))
    except ImageError as error:
        return Contents(runtime, region, 0, {}, "", "", str(error))
    files = filesystem.content(fs)
    return Contents(
        runtime,
        region,
        fs.used_block_count * filesystem.BLOCK,
        {path: len(content) for path, content in files.items()},
        _version(files),
        _board(files),
        "",
        _update_key(files),
    )


def _region(runtime: MicroPython) -> Region | None:
    end = runtime.offset + len(runtime.data)
    try:
        region = runtime.file_system(end)
    except ImageError:
        return None
    blank = b"\xff" * filesystem.BLOCK
    start = region.offset - runtime.offset
    return None if runtime.data[start : start + filesystem.BLOCK] == blank else region


def _version(files: dict[str, bytes]) -> str:
    for path, content in files.items():
        if PurePosixPath(path).match("mote/__init__.*"):
            found = _VERSION.search(content)
            return found[0].decode() if found else ""
    return ""


def _board(files: dict[str, bytes]) -> str:
    for path, content in files.items():
        if PurePosixPath(path).name == "board.json":
            try:
                board = json_text.parse(content)
            except json_text.JsonError:
                return ""
            return str(board.get("key", "")) if isinstance(board, dict) else ""
    return ""


def _update_key(files: dict[str, bytes]) -> bytes:
    for path, content in files.items():
        if PurePosixPath(path).name == tree.KEY:
            with contextlib.suppress(ValueError):
                return bytes.fromhex(content.decode("ascii"))
    return b""
