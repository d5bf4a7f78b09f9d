"""Files that only their owner may read: secrets, keys, hashes of passwords."""

import os
import tempfile
from pathlib import Path


def write(path: Path, content: str | bytes) -> None:
    """Put `content` into `path`, whole or not at all, with mode 600 from its first byte on.

    Written by root, it belongs to whom the folder belongs.
    """
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            # A rename may reach the disk before the bytes do.
            os.fsync(file.fileno())
        give_to_owner_of(path.parent, Path(name))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def folder(path: Path) -> Path:
    """Make `path` with mode 700 where it is not there, for the owner of the folder it is in."""
    if not path.is_dir():
        path.mkdir(mode=0o700)
        give_to_owner_of(path.parent, path)
    return path


def give_to_owner_of(folder: Path, path: Path) -> None:
    """Where root works for somebody else, `path` is made theirs."""
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid)
