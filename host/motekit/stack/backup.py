"""A backup: an installation and all that its services keep, in one file, made while they run."""

import contextlib
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import mote

from motekit import private_files
from motekit.stack import sealed
from motekit.stack.compose import Compose, Service, StackError
from motekit.stack.installation import Installation, versions

_FORMAT = 1
_MANIFEST = "backup.json"
# Of the installation itself, and of what services keep where they change nothing in place.
_FILES = ("settings.env", "secrets", "authority", "certificates", "mosquitto")
_QUEUE = "data/mosquitto/mosquitto.db"
_DASHBOARDS = "data/grafana/grafana.db"
_DATABASE = "data/influxdb/backup"
# The same folder, as the database sees it.
_INSIDE = "/var/lib/influxdb2/backup"
_INFLUX = (
    'INFLUX_HOST=http://127.0.0.1:8086 INFLUX_TOKEN="$(cat /run/secrets/operator_token)" influx'
)
START_S = 300
# What waited in the broker at the backup gets the time of its arrival; boards know the right one.
_MARGIN_S = 60
Tell = Callable[[str], None]


def make(
    installation: Installation, compose: Compose, target: Path, passphrase: str, tell: Tell
) -> None:
    """Write the backup to `target`, whole or not at all; with a passphrase, sealed by it.

    The services go on meanwhile. Raises StackError, OSError.
    """
    running = {one.name for one in compose.services() if one.state == "running"}
    if "influxdb" not in running:
        raise StackError("the database does not run, and it makes the copy: mote stack up")
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file, contextlib.ExitStack() as stack:
            sink: Any = file
            if passphrase:
                sink = stack.enter_context(sealed.Sealing(file, passphrase))
            with tarfile.open(fileobj=sink, mode="w|gz") as tar:
                _collect(installation, compose, tar, tell)
        private_files.give_to_owner_of(target.parent, Path(name))
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)


def _collect(
    installation: Installation, compose: Compose, tar: tarfile.TarFile, tell: Tell
) -> None:
    state = installation.state
    with tempfile.TemporaryDirectory() as scratch:
        manifest = Path(scratch) / _MANIFEST
        facts = {"format": _FORMAT, "made": int(time.time()), "mote": mote.__version__}
        manifest.write_text(json.dumps(facts | {"versions": versions()}), encoding="utf-8")
        tar.add(manifest, _MANIFEST)
        tell("settings, secrets, accounts")
        for name in _FILES:
            tar.add(state / name, name)
        # The queue before the database: what leaves the one meanwhile is in the other.
        if (state / _QUEUE).exists():
            tell("what waits in the broker")
            tar.add(state / _QUEUE, _QUEUE)
        if (state / _DASHBOARDS).exists():
            tell("Grafana")
            copy = Path(scratch) / "grafana.db"
            with (
                contextlib.closing(sqlite3.connect(state / _DASHBOARDS)) as live,
                contextlib.closing(sqlite3.connect(copy)) as still,
            ):
                live.backup(still)
            tar.add(copy, _DASHBOARDS)
    tell("the database")
    try:
        compose.inside("influxdb", f"rm -rf {_INSIDE} && {_INFLUX} backup {_INSIDE}")
        tell("the database: writing its copy")
        tar.add(state / _DATABASE, _DATABASE)
    finally:
        shutil.rmtree(state / _DATABASE, ignore_errors=True)


def needs_passphrase(source: Path) -> bool:
    """Whether the backup is sealed. Raises OSError."""
    with source.open("rb") as file:
        return sealed.is_sealed(file)


def restore(
    source: Path,
    installation: Installation,
    compose: Compose,
    passphrase: str,
    rootless: bool,
    tell: Tell,
) -> Path | None:
    """Make the installation what it was at the backup; where there is another, it is put aside.

    The services that ran are stopped, and only the database runs afterwards. Returns the folder of
    what was put aside. Raises StackError, OSError.
    """
    state = installation.state
    fresh = Installation(state.with_name(f"{state.name}.restoring"))
    shutil.rmtree(fresh.state, ignore_errors=True)
    tell("unpacking")
    made = _unpack(source, fresh, passphrase, rootless)
    aside = None
    if state.exists():
        compose.stop()
        aside = state.with_name(f"{state.name}.before-{time.strftime('%Y%m%d-%H%M%S')}")
        state.rename(aside)
    fresh.state.rename(state)
    # Boards have what came after the backup, and are asked for it.
    private_files.write(installation.losses, f"{made - _MARGIN_S}\n")
    tell("the database: starting")
    compose.start(["influxdb"])
    compose.wait(["influxdb"], START_S, _silent)
    tell("the database: restoring")
    compose.inside("influxdb", f"{_INFLUX} restore --full {_INSIDE} && rm -rf {_INSIDE}")
    return aside


def _unpack(source: Path, fresh: Installation, passphrase: str, rootless: bool) -> int:
    """Everything into the folder of `fresh`; the Unix time of the backup."""
    try:
        with source.open("rb") as file:
            stream: Any = file
            if sealed.is_sealed(file):
                stream = sealed.Opening(file, passphrase)
            fresh.make_folders(rootless)
            made = _extract(stream, fresh)
    except (sealed.SealError, tarfile.TarError, EOFError, ValueError, KeyError) as error:
        shutil.rmtree(fresh.state, ignore_errors=True)
        raise StackError(f"{source} cannot be restored: {error}") from error
    fresh.adopt(rootless)
    return made


def _extract(stream: IO[bytes], fresh: Installation) -> int:
    with tarfile.open(fileobj=stream, mode="r|gz") as tar:
        first = tar.next()
        content = tar.extractfile(first) if first and first.name == _MANIFEST else None
        if content is None:
            raise ValueError("it is no backup of mote stack")
        manifest = json.load(content)
        if manifest["format"] != _FORMAT:
            raise ValueError(
                f"Mote {manifest['mote']} made it, in a form that this one cannot read"
            )
        # One by one: a stream does not go back to the first.
        while member := tar.next():
            tar.extract(member, fresh.state, filter="data")
    return int(manifest["made"])


def _silent(_services: list[Service]) -> None:
    pass
