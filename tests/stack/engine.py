"""A Docker Engine for the tests: the one that runs, else one of our own beside everything else."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import go_programs
import image_source
from motekit import places
from motekit.stack.compose import OLDEST, compose_version

FOLDER = places.cache() / "stack"
_START_S = 240
# It leaves the machine's own network alone: other tests route through it.
_OPTIONS = ["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]


def lacking() -> str:
    """Why this machine cannot run the stack's tests, empty when it can."""
    if sys.platform != "linux":
        return "the stack's own images are built on Linux only"
    needed = []
    if not image_source.all_published():
        needed += ["busybox", "redis-server", "redis-cli"]
        if not image_source.is_published("MOSQUITTO_IMAGE"):
            needed += ["mosquitto", "mosquitto_sub"]
        if not image_source.is_published("TELEGRAF_IMAGE"):
            needed += ["go"]
        if not image_source.is_published("INFLUXDB_IMAGE"):
            needed += ["go", "cargo", "gcc"]
    missing = [program for program in dict.fromkeys(needed) if not shutil.which(program)]
    if missing:
        return (
            f"the stack's tests need {', '.join(missing)}: for images of our own Go 1.26 and Rust; "
            "with STACK_IMAGES=published they pull the published ones"
        )
    return lacking_docker()


def lacking_docker() -> str:
    """Why this machine cannot run Docker, empty when it can."""
    if not shutil.which("docker"):
        return "Docker is not installed"
    if _answers():
        return ""
    if not shutil.which("dockerd"):
        return "no Docker Engine answers, and there is no dockerd to start one"
    return "" if os.geteuid() == 0 else "no Docker Engine answers, and only root can start one"


@contextmanager
def running() -> Iterator[None]:
    """Docker with Compose, in the environment of this process."""
    with daemon():
        if (compose_version() or (0, 0)) < OLDEST:
            plugins = FOLDER / "docker" / "cli-plugins"
            plugins.mkdir(parents=True, exist_ok=True)
            # Another run may be using the one that is there.
            new = plugins / f"new-{os.getpid()}"
            shutil.copy(go_programs.COMPOSE.path(), new)
            new.replace(plugins / "docker-compose")
            os.environ["DOCKER_CONFIG"] = str(plugins.parent)
        yield


@contextmanager
def daemon() -> Iterator[None]:
    """Docker Engine, without Compose."""
    if _answers():
        yield
        return
    folder = FOLDER / "engine"
    folder.mkdir(parents=True, exist_ok=True)
    # A socket's path has 107 characters at most: a checkout may lie deep.
    socket = Path(f"/run/mote-docker-{os.getpid()}.sock")
    os.environ["DOCKER_HOST"] = f"unix://{socket}"
    places = ["--data-root", folder / "data", "--exec-root", folder / "exec"]
    places += ["--pidfile", folder / "pid"]
    with (folder / "log").open("w") as log:
        daemon = subprocess.Popen(
            ["dockerd", "--host", os.environ["DOCKER_HOST"], *places, *_OPTIONS],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + _START_S
        while not _answers():
            if daemon.poll() is not None:
                raise RuntimeError(f"dockerd ended: {(folder / 'log').read_text()[-2000:]}")
            if time.monotonic() > until:
                raise RuntimeError("dockerd does not answer")
            time.sleep(0.2)
        _clear()
        yield
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
        socket.unlink(missing_ok=True)


def _clear() -> None:
    """Remove what a run that was killed left in our own engine: it starts again with it."""
    left = subprocess.run(["docker", "ps", "--all", "--quiet"], capture_output=True, text=True)
    if left.stdout:
        subprocess.run(["docker", "rm", "--force", *left.stdout.split()], capture_output=True)


def _answers() -> bool:
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "info"], capture_output=True).returncode == 0
