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
from typing import Any

import mote

from motekit import private_files, sealed
from motekit.stack.compose import Compose, StackError
from motekit.stack.installation import Installation, versions

FORMAT = 1
MANIFEST = "backup.json"
# Of the installation itself, and of what services keep where they change nothing in place.
_FILES = ("settings.env", "secrets", "authority", "certificates")
# The second one in an installation of an earlier version, which is backed up before its upgrade.
_ACCOUNTS = ("mosquitto/accounts.json", "mosquitto/passwd")
_AUTHORITY_KEY = "authority/ca.key"
QUEUE = "data/mosquitto/mosquitto.db"
DASHBOARDS = "data/grafana/grafana.db"
DATABASE = "data/influxdb/backup"
# The same folder, as the database sees it.
INSIDE = "/var/lib/influxdb2/backup"
INFLUX = (
    'INFLUX_HOST=http://127.0.0.1:8086 INFLUX_TOKEN="$(cat /run/secrets/operator_token)" influx'
)
Tell = Callable[[str], None]


def make(
    installation: Installation, compose: Compose, target: Path, passphrase: str, tell: Tell
) -> None:
    """Write the backup to `target`, whole or not at all; with a passphrase, sealed by it.

    Only a sealed one has the key of the authority, which boards trust for ten years. The services
    go on meanwhile. Raises StackError, OSError.
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
                _collect(installation, compose, tar, bool(passphrase), tell)
        private_files.give_to_owner_of(target.parent, Path(name))
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)


def _collect(
    installation: Installation, compose: Compose, tar: tarfile.TarFile, is_sealed: bool, tell: Tell
) -> None:
    state = installation.state
    with tempfile.TemporaryDirectory() as scratch:
        manifest = Path(scratch) / MANIFEST
        facts = {"format": FORMAT, "made": int(time.time()), "mote": mote.__version__}
        manifest.write_text(json.dumps(facts | {"versions": versions()}), encoding="utf-8")
        tar.add(manifest, MANIFEST)
        tell("settings, secrets, accounts")
        accounts = next((one for one in _ACCOUNTS if (state / one).exists()), _ACCOUNTS[0])
        for name in (*_FILES, accounts):
            tar.add(state / name, name, filter=None if is_sealed else _without_authority_key)
        # The queue before the database: what leaves the one meanwhile is in the other.
        if (state / QUEUE).exists():
            tell("what waits in the broker")
            tar.add(state / QUEUE, QUEUE)
        if (state / DASHBOARDS).exists():
            tell("Grafana")
            copy = Path(scratch) / "grafana.db"
            with (
                contextlib.closing(sqlite3.connect(state / DASHBOARDS)) as live,
                contextlib.closing(sqlite3.connect(copy)) as still,
            ):
                live.backup(still)
            tar.add(copy, DASHBOARDS)
    tell("the database")
    try:
        compose.inside("influxdb", f"rm -rf {INSIDE} && {INFLUX} backup {INSIDE}")
        tell("the database: writing its copy")
        tar.add(state / DATABASE, DATABASE)
    finally:
        shutil.rmtree(state / DATABASE, ignore_errors=True)


def _without_authority_key(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if entry.name == _AUTHORITY_KEY else entry
