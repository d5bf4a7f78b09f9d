"""What `mote stack doctor` looks at, from Docker up to a login at the broker."""

import datetime
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from motekit.credentials import OWNER
from motekit.stack import certificates
from motekit.stack.compose import Compose, Service, StackError, check_docker
from motekit.stack.installation import Installation

_GIB = 2**30
_LEAST_FREE = 2 * _GIB
_LOGIN_S = 5.0


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
    services = Compose(installation).services()
    if not services:
        yield from _ports(installation)
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
    until = certificates.expires(installation.certificates / "server.crt")
    return Finding(
        f"the broker's certificate is good until {until:%Y-%m-%d}",
        until > datetime.datetime.now(datetime.UTC),
        "mote stack up renews it",
    )


def _ports(installation: Installation) -> Iterator[Finding]:
    settings = installation.settings()
    for key in ("MOTE_MQTT_PORT", "MOTE_MQTT_TLS_PORT", "MOTE_GRAFANA_PORT"):
        with socket.socket() as probe:
            probe.settimeout(1)
            taken = probe.connect_ex(("127.0.0.1", int(settings[key]))) == 0
        yield Finding(
            f"port {settings[key]} is free",
            not taken,
            f"another program has it (sudo ss -tlnp): stop it, or change {key} in "
            f"{installation.settings_file}",
        )


def _service(one: Service) -> Finding:
    return Finding(
        f"{one.name}: {one.status or one.state}", one.good, f"mote stack logs {one.name}"
    )


def _login(installation: Installation) -> Finding:
    """Whether the broker lets its owner in, as a board would be let in."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="mote-doctor")
    client.username_pw_set(OWNER, installation.secret("mqtt"))
    answers: list[str] = []
    client.on_connect = lambda _client, _data, _flags, code, _properties: answers.append(str(code))
    port = int(installation.settings()["MOTE_MQTT_PORT"])
    try:
        client.connect("127.0.0.1", port)
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
