"""What `mote stack doctor` looks at, from Docker up to a login at the broker."""

import datetime
import errno
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from motekit import certificates
from motekit.credentials import OWNER
from motekit.stack import exposure
from motekit.stack.compose import Compose, Service, StackError, check_docker
from motekit.stack.installation import PROFILES, Installation

_GIB = 2**30
_LEAST_FREE = 2 * _GIB
_LOGIN_S = 5.0
_PORT_MAX = 65535
# The setting of each port of this machine, whose it is, and in which profiles.
_PORTS = (
    ("MOTE_MQTT_PORT", "mosquitto", PROFILES),
    ("MOTE_MQTT_TLS_PORT", "mosquitto", PROFILES),
    ("MOTE_GRAFANA_PORT", "grafana", PROFILES),
    ("MOTE_HTTP_PORT", "traefik", ("full",)),
    ("MOTE_HTTPS_PORT", "traefik", ("full",)),
)
_DEFAULTS = {
    "MOTE_MQTT_PORT": "1883",
    "MOTE_MQTT_TLS_PORT": "8883",
    "MOTE_GRAFANA_PORT": "3000",
    "MOTE_HTTP_PORT": "80",
    "MOTE_HTTPS_PORT": "443",
}
# Linux: the address is in hexadecimal, and so is the state (include/net/tcp_states.h).
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTEN = "0A"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and how to mend it."""

    what: str
    good: bool
    remedy: str = ""


def look(installation: Installation) -> Iterator[Finding]:
    """Everything in the order in which it is needed; what rests on something broken is left out."""
    try:
        check_docker()
    except StackError as error:
        yield Finding("Docker", False, str(error))
        return
    yield Finding("Docker and Compose", True)
    if not installation.made:
        yield Finding(f"a backend in {installation.state}", False, "mote stack up makes one")
        return
    yield _private(installation)
    yield _room(installation)
    yield _certificate(installation)
    yield _authority_key(installation)
    if found := installation.problems():
        for problem in found:
            yield Finding(f"the settings: {problem}", False, f"change {installation.settings_file}")
        return
    services = Compose(installation).services()
    yield from _ports(installation, services)
    yield from _exposed(installation)
    if not services:
        yield Finding("services", False, "nothing runs: mote stack up")
        return
    for one in services:
        yield _service(one)
    yield _login(installation)


def _private(installation: Installation) -> Finding:
    exposed = installation.exposed()
    return Finding(
        "secrets are readable by their owner alone",
        not exposed,
        f"chmod 600 {' '.join(map(str, exposed))}",
    )


def _room(installation: Installation) -> Finding:
    free = shutil.disk_usage(installation.state).free
    return Finding(
        f"{free / _GIB:.0f} GB free for data",
        free > _LEAST_FREE,
        "a full disk stops the database and the broker's queue: make room, or move docker/state",
    )


def _certificate(installation: Installation) -> Finding:
    server, authority = installation.certificates / "server.crt", installation.authority / "ca.crt"
    try:
        until = certificates.expires(server)
        said = certificates.ending(server, authority, "mote stack up renews it")
    except (OSError, ValueError) as error:
        return Finding(
            "the broker's certificate",
            False,
            f"it cannot be read ({error}): restore a backup, or move {server} away and run "
            "mote stack up",
        )
    return Finding(f"the broker's certificate is good until {until:%Y-%m-%d}", not said, said or "")


def _authority_key(installation: Installation) -> Finding:
    return Finding(
        "the broker's certificate can be renewed",
        certificates.can_issue(installation.authority),
        f"the key of the authority, {installation.authority / 'ca.key'}, is not here (a backup "
        "that is not sealed has none): put it back from the machine that made it, or restore a "
        "sealed backup",
    )


def _ports(installation: Installation, services: list[Service]) -> Iterator[Finding]:
    """Look at every port that a service of the chosen profile publishes and does not have yet."""
    for key, owner, profiles in _PORTS:
        if installation.profile not in profiles:
            continue
        try:
            port = _port(installation, key)
        except StackError as error:
            yield Finding(f"{key} in the settings", False, str(error))
            continue
        if any(one.name == owner and port in one.ports for one in services):
            continue
        yield Finding(
            f"port {port} is free for {owner}",
            not _is_taken(port),
            f"another program has it (sudo ss -tlnp 'sport = :{port}'): stop it, or change {key} "
            f"in {installation.settings_file}; then mote stack up",
        )


def _exposed(installation: Installation) -> Iterator[Finding]:
    """Say what others reach without TLS: not wrong, so it is good, but to be known."""
    settings = installation.settings()
    opened = exposure.opened(settings)
    if not opened:
        yield Finding("ports without TLS are open to this machine alone", True)
    for key, clear in opened.items():
        address = settings.get(key, exposure.EVERYBODY)
        where = "every network of this machine" if address == exposure.EVERYBODY else address
        yield Finding(
            f"{key}={address}: {clear}, go in clear over {where}; {key}=127.0.0.1 in "
            f"{installation.settings_file} and `mote stack up` end that",
            True,
        )


def _port(installation: Installation, key: str) -> int:
    """Return a port of the settings; one that an earlier version did not know has its default."""
    text = installation.settings().get(key) or _DEFAULTS[key]
    if not re.fullmatch(r"[0-9]+", text) or not 0 < int(text) <= _PORT_MAX:
        raise StackError(
            f"{key} is {text!r}, which is no port: write a number from 1 to {_PORT_MAX} into "
            f"{installation.settings_file}"
        )
    return int(text)


def _is_taken(port: int) -> bool:
    """Whether a program listens on `port` of any address of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
        else:
            return False
    # Only root may bind the ports below 1024; what listens can be seen by everybody.
    tables = [path for path in map(Path, _TABLES) if path.exists()]
    if not tables:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", port)) == 0
    rows = [line.split() for path in tables for line in path.read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == _LISTEN for row in rows)


def _service(one: Service) -> Finding:
    return Finding(
        f"{one.name}: {one.status or one.state}", one.good, f"mote stack logs {one.name}"
    )


def _login(installation: Installation) -> Finding:
    """Whether the broker lets its owner in, as a board would be let in."""
    from motekit.stack import broker

    try:
        port = _port(installation, "MOTE_MQTT_TLS_PORT")
    except StackError as error:
        return Finding("login at the broker", False, str(error))
    client = broker.client(installation, OWNER, installation.secret("mqtt"))
    answers: list[str] = []
    client.on_connect = lambda _client, _data, _flags, code, _properties: answers.append(str(code))
    try:
        client.connect(broker.HOST, port)
        until = datetime.datetime.now() + datetime.timedelta(seconds=_LOGIN_S)
        while not answers and datetime.datetime.now() < until:
            client.loop(0.1)
        client.disconnect()
    except OSError as error:
        answers = [str(error)]
    said = answers[0] if answers else "no answer"
    return Finding(
        f"login at the broker on port {port}: {said}",
        said == "Success",
        "mote stack logs mosquitto says why; mote stack up writes its accounts anew",
    )
