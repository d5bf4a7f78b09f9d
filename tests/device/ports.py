"""A port of 127.0.0.1 that nobody else has: several test runs may share the machine."""

import os
import socket

# Below what Linux gives to outgoing connections (ip_local_port_range).
_LOWEST, _COUNT, _ATTEMPTS = 12_000, 20_000, 50


def bound(kind=socket.SOCK_DGRAM):
    """Return a socket on a port of its own, and the port. Raises OSError when none is free."""
    for _ in range(_ATTEMPTS):
        # Random: a fixed order would lead two processes to the same ports at the same time.
        port = _LOWEST + int.from_bytes(os.urandom(4), "big") % _COUNT
        sock = socket.socket(socket.AF_INET, kind)
        try:
            sock.setblocking(False)
            sock.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
            return sock, port
        except OSError:
            sock.close()
    raise OSError("no port")


def free(kind=socket.SOCK_STREAM):
    """Return a port that nobody has at this moment."""
    sock, port = bound(kind)
    sock.close()
    return port
