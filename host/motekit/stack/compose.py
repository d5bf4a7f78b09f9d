"""Docker Compose, as the stack uses it: starts and stops services and tells how they are."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from motekit.stack import image_digests
from motekit.stack.installation import DOCKER, Installation

# `include` with several env files, and `depends_on` a service that has done its work.
OLDEST = (2, 24)
_POLL_S = 1.0
# For so long nothing may restart before all counts as well: in a loop, all runs for an instant.
_STEADY_S = 5.0
# Docker waits longer before each restart, so these take it half a minute.
_TOO_OFTEN = 8
_LOG_LINES = 15
_SHORT_ID = 12
_NEXT = ". `mote stack doctor` says what to mend; then run the command again"
NO_LOGS = "there are no logs to show (Docker says why above): mote stack status shows what runs"
# A line of `docker compose logs --timestamps`.
_LOGGED = re.compile(r"(?P<service>\S+)-\d+ +\| (?P<time>\S+) ?(?P<text>.*)")


class StackError(Exception):
    """The stack cannot do what was asked; the text says why and what to do.

    `details` are lines to show before it: a log's end, or what Docker said.
    """

    def __init__(self, text: str, details: str = "") -> None:
        super().__init__(text)
        self.details = details


@dataclass(frozen=True)
class Service:
    """A service as it is: `state` is Docker's (running, exited), `health` empty before a check.

    `checked`: it has a health check. `lasting`: Docker starts it again whenever it ends.
    """

    name: str
    state: str
    health: str
    exit_code: int
    status: str
    ports: list[int]
    checked: bool
    lasting: bool
    restarts: int

    @property
    def good(self) -> bool:
        """Healthy, or done with its work."""
        if self.state == "exited":
            return self.exit_code == 0 and not self.lasting
        return self.state == "running" and (not self.checked or self.health == "healthy")

    @property
    def failed(self) -> bool:
        """It will not get good by waiting."""
        return self.health == "unhealthy" or (self.state == "exited" and self.exit_code != 0)


class Compose:
    """`docker compose` in `docker/` for one installation."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        profile = installation.profile if installation.made else ""
        self._installation = installation
        self._environment = os.environ | {
            "MOTE_STATE": str(installation.state),
            "COMPOSE_PROFILES": profile,
        }

    def start(self, services: list[str]) -> None:
        """Pull what is missing and start `services` (all when empty), with progress.

        Raises StackError.
        """
        self._remove_others()
        self.pull(services)
        if self._call("up", "--detach", "--remove-orphans", *services):
            bad = [one for one in self.services(services) if not one.good]
            raise StackError(f"not everything started{_NEXT}", self._ends(bad))

    def pull(self, services: list[str]) -> None:
        """Pull the images that are not here, with progress. Raises StackError."""
        if self._call("pull", "--policy", "missing", "--ignore-buildable", *services):
            raise StackError(
                "an image could not be pulled: check the connection to the registry, or bring "
                "the images of docker/versions.env here with `docker load`, and start again"
            )
        try:
            image_digests.check(self._installation, self._asked("config", "--images").split())
        except image_digests.DigestError as error:
            raise StackError(str(error)) from error

    def created(self) -> list[str]:
        """Return the services that have a container, running or not. Raises StackError."""
        return self._asked("ps", "--all", "--services").split()

    def outdated(self) -> dict[str, tuple[str, str]]:
        """Services whose image is not the pinned one: what they have, and what is pinned."""
        wanted = json.loads(self._asked("config", "--format", "json"))["services"]
        lines = self._asked("ps", "--all", "--format", "json").splitlines()
        running = {one["Service"]: one["Image"] for one in map(json.loads, lines)}
        return {
            name: (image, wanted[name]["image"])
            for name, image in sorted(running.items())
            if name in wanted and image != wanted[name]["image"]
        }

    def wait(
        self, services: list[str], seconds: float, tell: Callable[[list[Service]], None]
    ) -> None:
        """Wait until all are good and stay so, telling how they are.

        Raises StackError with the end of their logs: for one that failed, or restarts for ever.
        """
        began = time.monotonic()
        first = before = None
        while True:
            found = self.services(services)
            tell(found)
            now, restarts = time.monotonic(), Counter[str]()
            for one in found:
                restarts[one.name] += one.restarts
            first = restarts if first is None else first
            if restarts != before:
                before, steady_at = restarts, now + _STEADY_S
            looping = {name for name in restarts if restarts[name] - first[name] >= _TOO_OFTEN}
            bad = [one for one in found if not one.good or one.name in looping]
            if found and not bad and now >= steady_at:
                return
            if now - began > seconds or looping or any(one.failed for one in bad):
                bad = bad or [one for one in found if restarts[one.name] > first[one.name]]
                names = ", ".join(map(_named, bad)) or "no service at all"
                raise StackError(f"not healthy: {names}{_NEXT}", self._ends(bad))
            time.sleep(_POLL_S)

    def services(self, wanted: list[str] | None = None) -> list[Service]:
        """How the services are. Raises StackError when Docker does not answer."""
        done = self._asked("ps", "--all", "--format", "json", *(wanted or []))
        lines = [json.loads(line) for line in done.splitlines() if line.startswith("{")]
        containers = _inspected([line["ID"] for line in lines])
        found = [_service(line, containers.get(line["ID"][:_SHORT_ID], {})) for line in lines]
        return sorted(found, key=lambda one: one.name)

    def restart(self, service: str) -> bool:
        """Restart a service, so that it reads its files anew; False where it does not run."""
        if not any(one.name == service and one.state == "running" for one in self.services()):
            return False
        self._asked("restart", service)
        return True

    def halt(self, service: str) -> None:
        """Stop a service until `resume`. Raises StackError."""
        self._asked("stop", service)

    def resume(self, service: str) -> None:
        """Let a service go on. Raises StackError."""
        self._asked("start", service)

    def stop(self) -> None:
        """Stop and remove the containers; data and secrets stay. Raises StackError."""
        if self._call("--profile", "*", "down"):
            raise StackError("Docker could not stop everything: see above, and `mote stack doctor`")

    def _remove_others(self) -> None:
        """Services of a profile that is no longer chosen; Compose itself leaves them running."""
        wanted = set(self._asked("config", "--services").split())
        every = ("--profile", "*")
        running = set(self._asked(*every, "ps", "--all", "--services").split())
        if others := running - wanted:
            self._asked(*every, "rm", "--stop", "--force", *sorted(others))

    def inside(self, service: str, script: str) -> str:
        """Run a shell script in a running service; what it prints. Raises StackError."""
        return self._asked("exec", "--no-TTY", service, "sh", "-c", script)

    def logged(self, services: list[str], follow: bool, lines: int) -> Iterator[dict[str, str]]:
        """What services say, line by line: service, time (RFC 3339), text. Raises StackError."""
        self._check()
        command = _logs(services, follow, lines, "--timestamps", "--no-color")
        with subprocess.Popen(
            command,
            cwd=DOCKER,
            env=self._environment,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            # A service may log whatever bytes a client sent.
            errors="replace",
        ) as docker:
            assert docker.stdout
            for line in docker.stdout:
                if parts := _LOGGED.match(line):
                    yield parts.groupdict()
        if docker.returncode:
            raise StackError(NO_LOGS)

    def _ends(self, services: list[Service]) -> str:
        ends = []
        for one in services:
            if one.state == "created":
                ends.append(f"--- {one.name}: waits for the others")
                continue
            log = self._asked("logs", "--no-log-prefix", "--tail", str(_LOG_LINES), one.name)
            ends.append(f"--- {one.name}: {one.status or one.state}, its log ends:\n{log.rstrip()}")
        return "\n".join(ends)

    def _check(self) -> None:
        """Raise StackError for a setting that would be part of another path or image."""
        if found := self._installation.problems():
            raise StackError(f"{found[0]}: change it in {self._installation.settings_file}")

    def _asked(self, *arguments: str) -> str:
        self._check()
        command = ["docker", "compose", *arguments]
        done = subprocess.run(
            command, cwd=DOCKER, env=self._environment, capture_output=True, text=True
        )
        if done.returncode:
            said = done.stderr.strip()
            last = said.splitlines()[-1] if said else f"it ended with {done.returncode}"
            raise StackError(f"`docker compose {arguments[0]}` failed: {last}{_NEXT}", said)
        return done.stdout

    def _call(self, *arguments: str) -> int:
        self._check()
        # Progress is for people; the standard output is for what the command itself prints.
        command = ["docker", "compose", *arguments]
        return subprocess.run(
            command, cwd=DOCKER, env=self._environment, stdout=sys.stderr
        ).returncode


def check_docker() -> None:
    """Raises StackError unless Docker runs and has a Compose that is new enough."""
    if not shutil.which("docker"):
        raise StackError("Docker is not installed: https://docs.docker.com/engine/install")
    engine = _output("docker", "info", "--format", "{{.ServerVersion}}")
    if not engine:
        raise StackError(
            "Docker does not answer: start it (Linux: sudo systemctl start docker), and let this "
            "user use it (sudo usermod -aG docker $USER, then log in again)"
        )
    found = compose_version()
    if not found or found < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        has = f"Compose {'.'.join(map(str, found))}" if found else "no Compose"
        raise StackError(
            f"this Docker has {has}, the stack needs {wanted} or newer: "
            "install docker-compose-plugin from https://docs.docker.com/compose/install"
        )


def compose_version() -> tuple[int, ...] | None:
    """The version of `docker compose`, None where there is none."""
    numbers = re.match(r"v?(\d+)\.(\d+)", _output("docker", "compose", "version", "--short"))
    return tuple(int(number) for number in numbers.groups()) if numbers else None


def is_rootless() -> bool:
    """Whether Docker runs as this user, whom a container then sees as root."""
    return "rootless" in _output("docker", "info", "--format", "{{.SecurityOptions}}")


def _output(*command: str) -> str:
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def _logs(services: list[str], follow: bool, lines: int, *more: str) -> list[str]:
    options = [*more, *(["--follow"] if follow else []), "--tail", str(lines)]
    return ["docker", "compose", "logs", *options, *services]


def _named(one: Service) -> str:
    return f"{one.name} (restarted {one.restarts} times)" if one.restarts else one.name


def _inspected(ids: list[str]) -> dict[str, dict[str, Any]]:
    """What Docker knows of containers, by short id; one that is gone meanwhile is left out."""
    if not ids:
        return {}
    done = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True)
    return {one["Id"][:_SHORT_ID]: one for one in json.loads(done.stdout or "[]")}


def _service(line: dict[str, Any], container: dict[str, Any]) -> Service:
    publishers = line.get("Publishers") or []
    check = container.get("Config", {}).get("Healthcheck") or {}
    policy = container.get("HostConfig", {}).get("RestartPolicy", {}).get("Name")
    ports = sorted({int(one["PublishedPort"]) for one in publishers if one["PublishedPort"]})
    return Service(
        name=str(line["Service"]),
        state=str(line["State"]),
        health=str(line.get("Health") or ""),
        exit_code=int(str(line.get("ExitCode") or 0)),
        status=str(line.get("Status") or ""),
        ports=ports,
        # Of one that is gone nothing is known: it is not good then.
        checked=not container or check.get("Test", ["NONE"]) != ["NONE"],
        lasting=not container or policy in ("always", "unless-stopped"),
        restarts=int(container.get("RestartCount", 0)),
    )
