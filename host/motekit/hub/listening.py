"""Addresses that the hub listens on: a socket for one, and the addresses of this computer."""

import contextlib
import errno
import ipaddress
import socket

# Networks of containers and virtual machines inside this computer.
_VIRTUAL = ("docker", "br-", "virbr")


class ListenError(Exception):
    """The address cannot be listened on; the text says why and what to do."""


def is_loopback(host: str) -> bool:
    """Whether a listener on `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(_bare(host)).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int, what: str, option: str, host_option: str = "") -> socket.socket:
    """Return a socket that listens on `host`:`port`; port 0 takes a free one.

    `::` listens on IPv4 too, as it does in other servers. `what` names the listener, and `option`
    and `host_option` the command line options of its port and address, in the text of the
    ListenError that is raised when the address cannot be had.
    """
    try:
        family, address = _resolved(host, port)
        listener = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, OverflowError, UnicodeError) as error:
        raise ListenError(_reason(error, host, port, what, option, host_option)) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            only_v6 = address[0] != "::"
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_v6)
        listener.bind(address)
        listener.listen(socket.SOMAXCONN)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ListenError(_reason(error, host, port, what, option, host_option)) from error
    return listener


def is_any(host: str) -> bool:
    """Whether a listener on `host` is reached at every address of this computer."""
    try:
        return ipaddress.ip_address(_bare(host)).is_unspecified
    except ValueError:
        return not host


def join(host: str, port: int) -> str:
    """Return host and port as they stand in an address: `[::1]:1883`."""
    return f"[{_bare(host)}]:{port}" if ":" in host else f"{host}:{port}"


def own_addresses() -> list[str]:
    """The IPv4 addresses of this computer that others can reach."""
    import psutil

    return [
        entry.address
        for name, entries in psutil.net_if_addrs().items()
        for entry in entries
        if entry.family == socket.AF_INET
        and not entry.address.startswith("127.")
        and not name.startswith(_VIRTUAL)
    ]


def _bare(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    found = socket.getaddrinfo(
        _bare(host) or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    # A name may have addresses of both kinds; boards speak IPv4.
    found.sort(key=lambda one: one[0] != socket.AF_INET)
    family, _, _, _, address = found[0]
    return family, address  # type: ignore[return-value]


def _reason(
    error: Exception, host: str, port: int, what: str, option: str, host_option: str
) -> str:
    other = f"choose another port with {option}"
    if isinstance(error, OverflowError):
        return f"{port} ({what}) is no port: ports are 1 to 65535; {other}"
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        return f"port {port} ({what}) is in use{_owner(port)}. Stop that, or {other}"
    if code == errno.EACCES:
        return f"port {port} ({what}) needs root rights: {other}"
    change = f"; change {host_option}" if host_option else ""
    if code == errno.EADDRNOTAVAIL:
        known = ", ".join(["127.0.0.1", *own_addresses()])
        return (
            f'"{host}" ({what}) is not an address of this computer. It has {known}; 0.0.0.0 means '
            f"all of them{change}"
        )
    if isinstance(error, socket.gaierror | UnicodeError):
        return f'"{host}" ({what}) is no address and no name that this computer knows{change}'
    if code == errno.EAFNOSUPPORT:
        return f'"{host}" ({what}) needs IPv6, which this computer does not have{change}'
    return f"cannot listen on {join(host, port)} ({what}): {error}{change or f'; {other}'}"


def _owner(port: int) -> str:
    import psutil

    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == "LISTEN" and connection.laddr.port == port and connection.pid:
                name = psutil.Process(connection.pid).name()
                return f" by {name} (process {connection.pid})"
    return ""
