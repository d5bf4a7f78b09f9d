"""Docker's guard shows the logs of its own project, to a real `docker` that asks it.

The Docker Engine behind it is real, too, with a container of somebody else beside the stack.
"""

import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator

import pytest
from running_stack import PATIENCE_S, RunningStack, eventually

pytestmark = pytest.mark.stack
SECRET = "only-the-stranger-knows"


@pytest.fixture(scope="module")
def stranger(stack: RunningStack) -> Iterator[str]:
    """A container of another project, whose services log as ours do; its whole id."""
    image = json.loads(stack.compose("config", "--format", "json"))["services"]["redis"]["image"]
    name = f"stranger-{os.getpid()}"
    command = ["docker", "run", "--detach", "--name", name, "--env", f"PASSWORD={SECRET}"]
    command += ["--label", "com.docker.compose.project=another", "--label", "mote.logs=yes"]
    command += ["--network", "none", "--entrypoint", "sh", image]
    script = f"while echo {SECRET}; do sleep 1; done"
    made = subprocess.run([*command, "-c", script], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    yield made.stdout.strip()
    subprocess.run(["docker", "rm", "--force", name], capture_output=True)


def asked(stack: RunningStack, method: str, path: str) -> tuple[int, str]:
    """Code and text of the guard's answer, to a request that no library tidies up."""
    connection = http.client.HTTPConnection(stack.address("docker-guard"), 2375, timeout=PATIENCE_S)
    connection.putrequest(method, path, skip_accept_encoding=True)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    connection.close()
    return answer.status, text


def docker(stack: RunningStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a real client says that asks the guard."""
    command = ["docker", "--host", f"tcp://{stack.address('docker-guard')}:2375", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)


def container(stack: RunningStack, service: str = "redis") -> str:
    return stack.compose("ps", "--quiet", "--no-trunc", service).strip()


def test_a_client_sees_this_project_alone(stack: RunningStack, stranger: str) -> None:
    shown = docker(stack, "ps", "--all", "--no-trunc", "--quiet").stdout.split()
    ours = stack.compose("ps", "--all", "--quiet", "--no-trunc").split()
    assert set(shown) == set(ours) and stranger not in shown
    # Filters of its own widen nothing.
    wider = docker(stack, "ps", "--all", "--quiet", "--filter", "label=mote.logs=yes", "--no-trunc")
    assert set(wider.stdout.split()) == set(ours)
    networks = docker(stack, "network", "ls", "--format", "{{.Name}}").stdout.split()
    project = stack.environment["COMPOSE_PROJECT_NAME"]
    assert networks and all(name.startswith(project) for name in networks)


def test_no_answer_has_an_environment_or_a_command_line(stack: RunningStack, stranger: str) -> None:
    for service in ("influxdb", "last-values", "fleet"):
        code, text = asked(stack, "GET", f"/v1.41/containers/{container(stack, service)}/json")
        found = json.loads(text)
        assert code == 200 and found["Config"].keys() == {"Tty", "Image", "Labels"}
        assert found["HostConfig"].keys() == {"NetworkMode"}
        assert not {"Env", "Cmd", "Args", "Mounts", "Path", "ResolvConfPath"} & found.keys()
    code, text = asked(stack, "GET", "/v1.41/containers/json?all=1")
    assert code == 200 and json.loads(text)
    for one in json.loads(text):
        assert not {"Command", "Mounts", "Env"} & one.keys()
        assert set(one["Labels"]) <= {
            "com.docker.compose.project",
            "com.docker.compose.service",
            "mote.logs",
        }


def test_logs_are_followed_until_nobody_listens(stack: RunningStack) -> None:
    mosquitto = container(stack, "mosquitto")
    assert "client connected" in docker(stack, "logs", "--tail", "200", mosquitto).stderr
    address = stack.address("docker-guard")
    follow = ["docker", "--host", f"tcp://{address}:2375", "logs", "--follow", mosquitto]
    with subprocess.Popen(follow, stderr=subprocess.PIPE, text=True) as client:
        assert client.stderr
        stack.client("followed")
        assert any("followed" in line for line in client.stderr)
        assert threads(stack) > 1
        client.kill()
    eventually(lambda: threads(stack) == 1)


def threads(stack: RunningStack) -> int:
    """How many threads the guard has: one for each that listens."""
    found = stack.inside("docker-guard", "grep ^Threads /proc/1/status")
    return int(found.split()[1])


def test_a_container_of_somebody_else_is_not_there(stack: RunningStack, stranger: str) -> None:
    name = f"stranger-{os.getpid()}"
    for who in (stranger, stranger[:12], name):
        for path in (f"/containers/{who}/json", f"/v1.41/containers/{who}/logs?stdout=1&tail=9"):
            code, text = asked(stack, "GET", path)
            assert code in (403, 404) and SECRET not in text, (path, code)
        for command in (("logs", who), ("inspect", who)):
            done = docker(stack, *command)
            assert done.returncode and SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/_ping", 200),
        ("HEAD", "/_ping", 200),
        ("GET", "/v1.41/containers/json", 200),
        ("GET", "/v1.41/containers/{id}/json", 200),
        ("GET", "/v1.41/containers/{id}/logs?stdout=1", 200),
        ("GET", "/v1.41/networks", 200),
        ("GET", "/version", 403),
        ("GET", "/info", 403),
        ("GET", "/events?until=1", 403),
        ("GET", "/v1.41/images/json", 403),
        ("GET", "/v1.41/containers/{id}/archive?path=/run/secrets", 403),
        ("GET", "/v1.41/containers/{id}/export", 403),
        ("GET", "/v1.41/containers/x/../{id}/export", 403),
        ("GET", "/v1.41/containers/json/%2e%2e/{id}/export", 403),
        ("GET", "/v1.41/containers/{id}%2fexport/json", 403),
        ("GET", "/v1.41/containers/{id}/json/../export", 403),
        ("GET", "//containers/{id}/export", 403),
        ("GET", "http://docker/v1.41/containers/{id}/export", 403),
        ("GET", "/v1.41/containers/{id}/logs?follow=0%0d%0aX:%20y&stdout=1", 400),
        ("GET", "/v1.41/containers/{id}/logs%0d%0aGET", 403),
        ("GET", "/v1.41/networks/prune", 403),
        ("GET", "/v1.41/secrets", 403),
        ("HEAD", "/v1.41/containers/{id}/archive?path=/", 403),
        ("POST", "/v1.41/containers/create", 501),
        ("POST", "/v1.41/containers/{id}/kill", 501),
        ("POST", "/v1.41/containers/{id}/exec", 501),
        ("POST", "/v1.41/containers/{id}/logs", 501),
        ("DELETE", "/v1.41/containers/{id}", 501),
        ("PUT", "/v1.41/containers/{id}/archive?path=/", 501),
        ("CONNECT", "docker:2375", 501),
    ],
)
def test_only_four_questions_are_answered(
    stack: RunningStack, method: str, path: str, code: int
) -> None:
    before = container(stack)
    assert asked(stack, method, path.format(id=before))[0] == code
    assert container(stack) == before


def test_many_listeners_leave_room_for_the_health_check(stack: RunningStack) -> None:
    """Clients that say nothing, or half of a request, are let go."""
    host = stack.address("docker-guard")
    silent = [http.client.HTTPConnection(host, 2375) for _ in range(100)]
    for one in silent:
        one.connect()
    began = time.monotonic()
    assert asked(stack, "GET", "/_ping")[0] == 200
    assert time.monotonic() - began < PATIENCE_S
    for one in silent:
        one.close()
