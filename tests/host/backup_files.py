"""Backups of `mote stack`, made without Docker, and archives that no `mote stack` would make."""

import copy
import gzip
import io
import json
import sqlite3
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

from motekit import sealed
from motekit.stack import restore
from motekit.stack.compose import Service, StackError
from motekit.stack.installation import Installation
from motekit.stack.restore import Prepared

MADE = int(time.time()) - 3_600
Entry = tuple[tarfile.TarInfo, bytes]


class ScriptedCompose:
    """Docker Compose that runs nothing, notes what it is asked for, and fails at `fails_at`."""

    def __init__(self, running: tuple[str, ...] = (), fails_at: str = "") -> None:
        self.running, self.fails_at = list(running), fails_at
        self.calls: list[str] = []

    def start(self, services: list[str]) -> None:
        self._called(f"start {' '.join(services)}".strip())
        self.running = sorted({*self.running, *services})

    def stop(self) -> None:
        self._called("stop")
        self.running = []

    def services(self, wanted: list[str] | None = None) -> list[Service]:
        return [
            Service(name, "running", "healthy", 0, "Up", [], True, True, 0) for name in self.running
        ]

    def wait(
        self, services: list[str], seconds: float, tell: Callable[[list[Service]], None]
    ) -> None:
        self._called(f"wait {' '.join(services)}")

    def inside(self, service: str, script: str) -> str:
        self._called(f"inside {service}")
        return ""

    def _called(self, what: str) -> None:
        self.calls.append(what)
        if self.fails_at and what.startswith(self.fails_at):
            self.fails_at = ""
            raise StackError(f"{what} fails")


def new_installation(state: Path, *devices: str) -> Installation:
    """An installation with accounts for `devices`, and what its services would have written."""
    made = Installation(state)
    made.make(["localhost", "192.0.2.7"])
    made.accounts.add(list(devices))
    for name in ("telegraf", "grafana", "last-values"):
        (made.secrets / name / "influxdb_token").write_text("token-_+/=of-the-database==")
    (made.data / "mosquitto" / "mosquitto.db").write_bytes(b"\0\xb5\0mosquitto db" + bytes(500))
    with sqlite3.connect(made.data / "grafana" / "grafana.db") as db:
        db.execute("CREATE TABLE dashboard (id INTEGER)")
    copy_of_database = made.data / "influxdb" / "backup"
    copy_of_database.mkdir()
    for name in ("manifest", "bolt.gz", "sqlite.gz", "1.tar.gz"):
        (copy_of_database / f"20261201T120000Z.{name}").write_bytes(name.encode() * 40)
    return made


def entries_of(installation: Installation, has_key: bool = True) -> list[Entry]:
    """The entries that `mote stack backup` writes for it, in its order."""
    facts = {"format": 1, "made": MADE, "mote": "0.1.0", "versions": {}}
    found = [file("backup.json", json.dumps(facts).encode())]
    names = ("settings.env", "secrets", "authority", "certificates", "mosquitto", "data/mosquitto")
    for name in (*names, "data/grafana", "data/influxdb/backup"):
        top = installation.state / name
        for path in sorted([top, *top.rglob("*")] if top.is_dir() else [top]):
            inside = str(path.relative_to(installation.state))
            if path.is_dir():
                found.append(special(inside, tarfile.DIRTYPE))
            elif has_key or not inside.endswith("ca.key"):
                found.append(file(inside, path.read_bytes()))
    return found


def file(name: str, content: bytes = b"content") -> Entry:
    made = tarfile.TarInfo(name)
    made.size, made.mtime = len(content), MADE + 0.5  # type: ignore[assignment]
    return made, content


def special(name: str, kind: bytes, target: str = "") -> Entry:
    """A folder, link, device or whatever tar knows."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made, b""


def packed(entries: list[Entry], pax: dict[str, str] | None = None) -> bytes:
    """An archive as `mote stack backup` writes it, before it is sealed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w|", pax_headers=pax) as tar:
        for entry, content in entries:
            tar.addfile(copy.copy(entry), io.BytesIO(content))
    return gzip.compress(out.getvalue(), 1)


def changed(entries: list[Entry], name: str, content: bytes | Callable[[bytes], bytes]) -> bytes:
    """The archive with another content of one file."""
    new = [
        (file(name, content if isinstance(content, bytes) else content(old)))
        if entry.name == name
        else (entry, old)
        for entry, old in entries
    ]
    return packed(new)


def seal(content: bytes, passphrase: str) -> bytes:
    out = io.BytesIO()
    with sealed.Sealing(out, passphrase) as stream:
        stream.write(content)
    return out.getvalue()


def prepare(source: Path, installation: Installation, passphrase: str = "") -> Prepared:
    return restore.prepare(source, installation, passphrase, False, lambda _: None)


def tree(folder: Path) -> dict[str, object]:
    """Everything below `folder`: names, kinds, contents."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        else:
            found[name] = path.read_bytes() if path.is_file() else "folder"
    return found
