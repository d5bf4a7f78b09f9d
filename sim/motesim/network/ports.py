"""Ports of this machine that are free, and stay so until they are used."""

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from collections import deque
from functools import cache
from pathlib import Path

# Below the ports that the system gives to outgoing connections (ip_local_port_range of Linux). A
# client that tries again and again to reach a port of those gets it as its own one day, is
# connected to itself, and keeps the server from coming back.
_RANGE = range(20_000, 32_000)
# So many at a time are kept from other processes; older ones are long in use, or done with.
_KEPT = 1_000
_TRIED = 500
_chance = random.SystemRandom()
_kept: deque[int] = deque()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nobody has, and that no other process of this user is given.

    Raises OSError when there is none.
    """
    for port in _chance.sample(_RANGE, _TRIED):
        if port not in _kept and _is_free(port, kind) and _claimed(port):
            _kept.append(port)
            if len(_kept) > _KEPT:
                fcntl.lockf(_ledger(), fcntl.LOCK_UN, 1, _kept.popleft())
            return port
    raise OSError(f"no port of 127.0.0.1 is free from {_RANGE.start} to {_RANGE.stop - 1}")


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def _claimed(port: int) -> bool:
    try:
        fcntl.lockf(_ledger(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _ledger() -> int:
    """A file: its byte `n` is locked by the process that was given port `n`, while that runs."""
    path = Path(tempfile.gettempdir()) / f"mote-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
