"""The hub's data folder: only its owner reads it, also where an older version left it open."""

import logging
import os
import stat
from pathlib import Path

LOGGER = logging.getLogger(__name__)
STORE = "readings.db"
SIDECARS = ("-wal", "-shm", "-journal")
_FILES = {
    *(STORE, *(STORE + end for end in SIDECARS)),
    *("accounts.json", "owner.password", "accounts.lock", "hub.lock", "hub.state"),
    *("dashboard.key", "ca.crt", "ca.key", "server.crt", "server.key"),
}
_RESTORES = {"restore.part", "restore.ready"}
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def close_to_others(folder: Path) -> None:
    """Take the rights of others from what a hub keeps in `folder`.

    The folder itself is closed if there is nothing else in it: somebody may have named one that is
    used for other things. What belongs to another user is left alone.
    """
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.name in _FILES and not entry.is_symlink():
            _close(Path(entry.path))
    names = {entry.name for entry in entries}
    if STORE in names and names <= _FILES | _RESTORES:
        _close(folder)


def _close(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
        if mode & _OTHERS and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    except OSError as error:
        LOGGER.warning(
            'Other users of this computer may read "%s", and it cannot be changed (%s)',
            path,
            error.strerror,
        )
