"""A lock on a hub's data folder: only one process uses it at a time.

The lock is the kernel's (flock), on a file that names the process. It ends with the process,
however that ends, so a file that is left over locks nothing.
"""

import contextlib
import errno
import fcntl
import logging
import os
import time
from pathlib import Path

LOGGER = logging.getLogger(__name__)
NAME = "hub.lock"
# Who only looks whether a hub runs holds the lock for a moment.
_TRIES, _BETWEEN_S = 5, 0.05
_UNSUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class FolderInUseError(Exception):
    """Another process uses the folder; the text names it and what to do."""


class FolderLock:
    """The lock on `folder`, from `acquire` to `release`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Lock the folder. Raises FolderInUseError, and OSError when the file cannot be made."""
        if self._descriptor is not None:
            return
        descriptor = os.open(self._folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(descriptor)
        except BlockingIOError:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            process = f" (process {owner})" if owner.isdigit() else ""
            raise FolderInUseError(
                f'a hub{process} is already using the data folder "{self._folder}". Stop that, or '
                "choose another folder with --data"
            ) from None
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                os.close(descriptor)
                raise
            LOGGER.warning(
                'The file system of "%s" has no locks: make sure that only one hub uses it',
                self._folder,
            )
        # On a full disk the number stays away; the lock holds all the same.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let others use the folder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def holder(folder: Path) -> int | None:
    """Return the number of the process that has locked `folder`, None if none has.

    Where a file system has no locks, it is the process that the file names, if that is alive.
    """
    try:
        descriptor = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
        if not owner.isdigit():
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(owner)
        except OSError as error:
            if error.errno in _UNSUPPORTED and _is_alive(int(owner)):
                return int(owner)
        return None
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    for left in reversed(range(_TRIES)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not left:
                raise
        time.sleep(_BETWEEN_S)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
