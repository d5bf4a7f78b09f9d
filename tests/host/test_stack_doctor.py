"""`mote stack doctor` looks at every port that a service will want, whatever runs already."""

import dataclasses
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from motekit.stack import checkup
from motekit.stack.checkup import Finding
from motekit.stack.compose import Service
from motekit.stack.installation import Installation
from motesim.network.ports import free_port

KEYS = [key for key, _, _ in checkup._PORTS]


@pytest.fixture
def made(tmp_path: Path) -> Installation:
    installation = Installation(tmp_path / "state")
    installation.make(["localhost"])
    for key in KEYS:
        installation._set(key, str(free_port()))
    return installation


@pytest.fixture
def taken() -> Iterator[int]:
    """The port of a program on one of this machine's addresses that is not 127.0.0.1."""
    with socket.create_server(("127.0.0.2", 0)) as server:
        yield server.getsockname()[1]


def service(name: str, *ports: int) -> Service:
    return Service(name, "running", "healthy", 0, "Up", list(ports), True, True, 0)


def found(installation: Installation, *services: Service) -> list[Finding]:
    return list(checkup._ports(installation, list(services)))


def test_all_ports_of_the_profile_are_looked_at(made: Installation) -> None:
    assert [one.good for one in found(made)] == [True] * 3
    made.choose("full")
    whats = [one.what for one in found(made)]
    ports = made.settings()
    assert whats == [f"port {ports[key]} is free for {owner}" for key, owner, _ in checkup._PORTS]


@pytest.mark.parametrize("key", ["MOTE_HTTP_PORT", "MOTE_HTTPS_PORT", "MOTE_GRAFANA_PORT"])
def test_a_port_that_another_program_has_is_told_though_services_run(
    made: Installation, taken: int, key: str
) -> None:
    made.choose("full")
    made._set(key, str(taken))
    ports = made.settings()
    broker = service("mosquitto", *(int(ports[one]) for one in KEYS[:2]))
    # Docker made the container of this one, and could not start it.
    broken = dataclasses.replace(service("traefik"), state="created")
    bad = [one for one in found(made, broker, broken) if not one.good]
    assert [one.what.split(" for ")[0] for one in bad] == [f"port {taken} is free"]
    assert key in bad[0].remedy and str(made.settings_file) in bad[0].remedy


def test_the_port_of_a_service_that_runs_is_its_own(made: Installation, taken: int) -> None:
    made._set("MOTE_GRAFANA_PORT", str(taken))
    assert all(one.good for one in found(made, service("grafana", taken)))
    assert not all(one.good for one in found(made, service("mosquitto", taken)))


def test_what_goes_in_clear_over_which_network_is_told(made: Installation) -> None:
    def said() -> list[str]:
        return [one.what for one in checkup._exposed(made) if one.good]

    assert said() == ["ports without TLS are open to this machine alone"]
    made.set("MOTE_MQTT_ADDRESS", "0.0.0.0")
    (mqtt,) = said()
    assert "passwords of boards" in mqtt and "every network of this machine" in mqtt
    assert "MOTE_MQTT_ADDRESS=127.0.0.1" in mqtt and str(made.settings_file) in mqtt
    made.set("MOTE_GRAFANA_ADDRESS", "192.0.2.7")
    assert len(said()) == 2 and "go in clear over 192.0.2.7" in said()[1]
    made.set("MOTE_GRAFANA_ADDRESS", "::1")
    assert len(said()) == 1


def test_settings_of_an_earlier_version_stay_open_and_say_so(made: Installation) -> None:
    for key in ("MOTE_MQTT_ADDRESS", "MOTE_GRAFANA_ADDRESS"):
        made.unset(key)
    did = made.make()
    assert "setting MOTE_MQTT_ADDRESS=0.0.0.0, as it was before" in did
    assert len(list(checkup._exposed(made))) == 2 and made.make() == []


@pytest.mark.parametrize("text", ["abc", "0", "65536", "-1", "18 83", "٣"])
def test_what_is_no_port_is_told_with_the_remedy(made: Installation, text: str) -> None:
    made._set("MOTE_MQTT_PORT", text)
    first, *others = found(made)
    assert not first.good and "which is no port" in first.remedy and "1 to 65535" in first.remedy
    assert all(one.good for one in others)
    assert not checkup._login(made).good


def test_settings_of_an_earlier_version_have_the_usual_ports(made: Installation) -> None:
    lines = made.settings_file.read_text().splitlines(keepends=True)
    made.settings_file.write_text("".join(one for one in lines if "HTTP" not in one))
    assert checkup._port(made, "MOTE_HTTP_PORT") == 80
    assert checkup._port(made, "MOTE_HTTPS_PORT") == 443


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux")
def test_who_is_not_root_sees_the_ports_below_1024() -> None:
    """The look is that of a person without rights, the listener root's."""
    look = (
        "import os, sys; from motekit.stack.checkup import _is_taken; os.setuid(65534); "
        "print([_is_taken(int(port)) for port in sys.argv[1:]])"
    )
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        low = next(port for port in range(700, 1023) if not checkup._is_taken(port))
        server.bind(("127.0.0.2", low))
        server.listen()
        free = next(port for port in range(low + 1, 1024) if not checkup._is_taken(port))
        command = [sys.executable, "-c", look, str(low), str(free)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[True, False]"
