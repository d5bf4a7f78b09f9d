"""What the compose files promise of every service."""

import json
from typing import Any

import pytest
from motekit.stack.installation import versions
from running_stack import CORE, RunningStack

pytestmark = pytest.mark.stack

# Ports of the host, by what is inside: for devices and for people, nothing else.
PUBLISHED = {"mosquitto": {1883, 8883}, "grafana": {3000}}
# Done with their work when they end, so nothing is left to be asked for its health.
ONCE = {"influxdb-setup"}


@pytest.fixture(scope="module")
def services(docker: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    unborn = RunningStack(tmp_path_factory.mktemp("config") / "state")
    unborn.mote("init")
    found = json.loads(unborn.compose("--profile", "*", "config", "--format", "json"))
    return found["services"]


def test_every_service_has_an_image_of_one_version(services: dict[str, Any]) -> None:
    assert set(CORE) < set(services)
    assert {service["image"] for service in services.values()} == set(versions().values())
    for image in versions().values():
        assert image.rpartition(":")[2][0].isdigit(), f"{image}: a version, not a moving tag"


def test_every_service_is_confined(services: dict[str, Any]) -> None:
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= set(limits), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert not service.get("cap_add") and not service.get("privileged"), name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["user"].split(":")[0] not in ("", "0", "root"), name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service["restart"] == "unless-stopped" or name in ONCE, name
        assert "test" in service.get("healthcheck", {}) or name in ONCE, name


def test_the_host_has_only_the_ports_of_devices_and_people(services: dict[str, Any]) -> None:
    found = {
        name: {port["target"] for port in service["ports"]}
        for name, service in services.items()
        if service.get("ports")
    }
    assert found == PUBLISHED
    # Who has no port on the host has no way out of the stack either.
    for name, service in services.items():
        assert set(service["networks"]) == (
            {"backend", "edge"} if name in PUBLISHED else {"backend"}
        )


def test_no_secret_is_in_the_configuration(stack: RunningStack) -> None:
    shown = stack.compose("config") + stack.compose("ps", "--format", "json")
    files = [path for path in stack.installation.secrets.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        secret = path.read_text()
        assert not secret or secret not in shown, path
    assert not stack.installation.exposed()


def test_a_second_up_changes_nothing(stack: RunningStack) -> None:
    def ids() -> dict[str, str]:
        lines = stack.compose("ps", "--all", "--format", "json").splitlines()
        return {line["Service"]: line["ID"] for line in map(json.loads, lines)}

    def files() -> dict[str, bytes]:
        kept = stack.installation
        paths = [*kept.secrets.rglob("*"), *kept.certificates.rglob("*"), kept.settings_file]
        return {str(path): path.read_bytes() for path in paths if path.is_file()}

    before = ids(), files()
    assert "made" not in stack.mote("up", *stack.services)
    assert (ids(), files()) == before


def test_doctor_and_status_find_nothing_wrong(stack: RunningStack) -> None:
    found = json.loads(stack.mote("doctor", "--json"))
    assert all(one["good"] for one in found), found
    assert any("login at the broker" in one["what"] for one in found)
    shown = {one["name"]: one["good"] for one in json.loads(stack.mote("status", "--json"))}
    assert shown == dict.fromkeys(stack.services or shown, True)
