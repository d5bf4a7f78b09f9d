"""Addresses that the hub listens on: a socket for one, and the addresses of this computer."""

import contextlib
import errno
import ipaddress
import socket


class ListenError(Exception):
    """The address cannot be listened on; the text says why and what to do."""


def is_loopback(host: str) -> bool:
    """Whether a listener on `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int, what: str, option: str) -> socket.socket:
    """Return a socket that listens on `host`:`port`; port 0 takes a free one.

    `what` names the listener and `option` the command line option of its port in the text of the
    ListenError that is raised when the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(socket.SOMAXCONN)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ListenError(_reason(error, host, port, what, option)) from error
    return listener


def own_addresses() -> list[str]:
    """The IPv4 addresses of this computer that others can reach."""
    import psutil

    return [
        entry.address
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family == socket.AF_INET and not entry.address.startswith("127.")
    ]


def _reason(error: Exception, host: str, port: int, what: str, option: str) -> str:
    other = f"Choose another one with {option}."
    if not isinstance(error, OSError):
        return f"{port} ({what}) is no port: ports are 1 to 65535. {other}"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} ({what}) is taken{_owner(port)}. Stop it, or: {other}"
    if error.errno == errno.EACCES:
        return f"port {port} ({what}) needs root rights. {other}"
    return f"cannot listen on {host}:{port} ({what}): {error.strerror}. {other}"


def _owner(port: int) -> str:
    import psutil

    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == "LISTEN" and connection.laddr.port == port and connection.pid:
                name = psutil.Process(connection.pid).name()
                return f" by {name} (process {connection.pid})"
    return ""
