"""Restore a backup of `mote stack`: look at all of it, then put it in place or change nothing.

A backup may come from a stranger. Of its files those are taken that `mote stack` itself writes, of
its settings those that every machine may have, each with a checked value: no image, no path and no
address. What services write (the broker's queue, the databases of Grafana and InfluxDB) goes
unread to the service that wrote it, which has no rights on this machine.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from motekit import certificates, payloads, private_files, sealed
from motekit.credentials import AccountError
from motekit.stack import installation as installations
from motekit.stack import settings
from motekit.stack.archive_reader import ArchiveError, ArchiveReader, Entry, Gunzip
from motekit.stack.backup import DASHBOARDS, DATABASE, FORMAT, INFLUX, INSIDE, MANIFEST, QUEUE, Tell
from motekit.stack.compose import Service, StackError
from motekit.stack.installation import Installation

START_S = 300
# What waited in the broker at the backup gets the time of its arrival; boards know the right one.
_MARGIN_S = 60
_KIB = 1024
_ENTRIES_MAX = 100_000
_EARLIEST_S = payloads.EARLIEST_NS // payloads.SECOND_NS
_DAY_S = 86_400
_SETTINGS = "settings.env"
_ACCOUNTS, _OLD_ACCOUNTS = "mosquitto/accounts.json", "mosquitto/passwd"
_AUTHORITY = ("authority/ca.crt", "authority/ca.key")
_SERVER = ("certificates/server.crt", "certificates/server.key")
# Without these a backend is not the one that was backed up.
_NEEDED = (_SETTINGS, "authority/ca.crt", *_SERVER)
# Small files, which are read and checked, and how large they may be.
_SMALL = {
    _SETTINGS: 64 * _KIB,
    _ACCOUNTS: 64 * _KIB * _KIB,
    _OLD_ACCOUNTS: 64 * _KIB * _KIB,
    **dict.fromkeys((*_AUTHORITY, *_SERVER), 64 * _KIB),
}
_SECRET_MAX = 4 * _KIB
_SMTP_PASSWORD = "secrets/grafana/smtp_password"
_FLEET = "secrets/fleet/accounts.csv"
_TOKEN = re.compile(r"secrets/[a-z][a-z-]{0,30}/influxdb_token")
# How the files begin that services read (Mosquitto's persist.h; SQLite's file format, 1.3).
_BEGINNINGS = {QUEUE: b"\x00\xb5\x00mosquitto db", DASHBOARDS: b"SQLite format 3\0"}
# Names as `influx backup` makes them, in one folder.
_COPY = re.compile(re.escape(DATABASE) + r"/[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,40}")
_BAD_SECRET = "the backup has a damaged secret: {}"


class ComposeLike(Protocol):
    """What a restore needs of Docker Compose."""

    def start(self, services: list[str]) -> None: ...
    def stop(self) -> None: ...
    def services(self, wanted: list[str] | None = None) -> list[Service]: ...
    def wait(
        self, services: list[str], seconds: float, tell: Callable[[list[Service]], None]
    ) -> None: ...
    def inside(self, service: str, script: str) -> str: ...


@dataclass
class Prepared:
    """A backup that was unpacked and checked beside the installation, whose place it may take.

    `made` is the Unix time of the backup. `left_out` are settings and files that no backup brings.
    `returning` are accounts that the backup has and the installation has no longer, `older` those
    that have another password here.
    """

    fresh: Installation
    made: int = 0
    is_sealed: bool = False
    left_out: list[str] = field(default_factory=list)
    returning: list[str] = field(default_factory=list)
    older: list[str] = field(default_factory=list)

    def discard(self) -> None:
        """Remove what was unpacked, unless it has been put in place."""
        shutil.rmtree(self.fresh.state, ignore_errors=True)


def is_sealed(source: Path) -> bool:
    """Whether the backup is sealed. Raises OSError."""
    with source.open("rb") as file:
        return sealed.is_sealed(file)


def prepare(
    source: Path, installation: Installation, passphrase: str, rootless: bool, tell: Tell
) -> Prepared:
    """Unpack and check a backup beside `installation`, which is not touched.

    Raises StackError, also for one that is not sealed where there is a passphrase; OSError.
    """
    fresh = Installation(installation.state.with_name(f"{installation.state.name}.restoring"))
    prepared = Prepared(fresh, is_sealed=is_sealed(source))
    if passphrase and not prepared.is_sealed:
        raise StackError(
            f"{source} is not sealed, so anybody may have made it, and there is a passphrase in "
            "MOTE_BACKUP_PASSPHRASE. If you trust the file all the same, run the command again "
            "without that variable"
        )
    prepared.discard()
    tell("unpacking")
    # A link there would lead what is unpacked to where it points.
    if os.path.lexists(fresh.state):
        raise StackError(f"{fresh.state} is in the way: remove it, and run the command again")
    try:
        fresh.make_folders(rootless)
        with source.open("rb") as file:
            stream: Any = sealed.Opening(file, passphrase) if prepared.is_sealed else file
            _Unpacking(prepared, installation, rootless).run(stream)
        fresh.adopt(rootless)
        _compare_accounts(prepared, installation)
    except (sealed.SealError, ArchiveError, AccountError, ValueError) as error:
        prepared.discard()
        raise StackError(
            f"{source} cannot be restored: {error}. Nothing was changed; use another backup"
        ) from error
    except BaseException:
        prepared.discard()
        raise
    return prepared


class _Unpacking:
    """Takes from an archive what a backup has, into the folders of a new installation."""

    def __init__(self, prepared: Prepared, there: Installation, rootless: bool) -> None:
        self._prepared, self._there, self._rootless = prepared, there, rootless
        self._fresh = prepared.fresh
        self._found: dict[str, bytes] = {}
        self._secrets = {f"secrets/{name}" for name in installations.secret_files()}

    def run(self, stream: IO[bytes]) -> None:
        reader = ArchiveReader(Gunzip(stream))
        first = reader.next()
        if first is None or first.name != MANIFEST or first.size > 64 * _KIB:
            raise ArchiveError("it is no backup of `mote stack`")
        self._prepared.made = _manifest(_all(reader, first))
        for _ in range(_ENTRIES_MAX):
            entry = reader.next()
            if entry is None:
                break
            if not entry.is_folder:
                self._take(reader, entry)
        else:
            raise ArchiveError(f"it has more than {_ENTRIES_MAX} files, which no backup has")
        if missing := [name for name in _NEEDED if name not in self._found]:
            raise ArchiveError(f"it lacks {', '.join(missing)}")
        self._write()

    def _take(self, reader: ArchiveReader, entry: Entry) -> None:
        name = entry.name
        if limit := self._limit(name):
            if entry.size > limit:
                raise ArchiveError(f"its {name} has {entry.size} bytes, which is too much")
            self._found[name] = _all(reader, entry)
        elif name in _BEGINNINGS or _COPY.fullmatch(name):
            self._copy(reader, name)
        elif not name.startswith("mosquitto/"):
            # Logins of services in there are written anew.
            self._prepared.left_out.append(f"the file {name}")

    def _limit(self, name: str) -> int:
        is_secret = name in self._secrets or name in (_SMTP_PASSWORD, _FLEET)
        return _SMALL.get(name, 0) or (_SECRET_MAX if is_secret or _TOKEN.fullmatch(name) else 0)

    def _copy(self, reader: ArchiveReader, name: str) -> None:
        target = self._fresh.state / name
        private_files.folder(target.parent)
        beginning = _BEGINNINGS.get(name, b"")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
            while part := reader.read(32 * _KIB):
                if not part.startswith(beginning):
                    raise ArchiveError(f"its {name} is damaged")
                beginning = b""
                file.write(part)

    def _write(self) -> None:
        """Write the small files, of which each was made anew from what was checked."""
        found, fresh = self._found, self._fresh
        taken, left_out = settings.from_backup(_text(found[_SETTINGS]))
        if not taken.get("MOTE_NAMES"):
            raise ArchiveError("its settings have no MOTE_NAMES")
        self._prepared.left_out += [f"the setting {one}" for one in left_out]
        here = settings.of_this_machine(self._there.settings()) if self._there.made else {}
        fresh.write_settings(self._rootless, taken | here)
        there, now = settings.parse(_text(found[_SETTINGS])), fresh.settings()
        self._prepared.left_out += [
            f"the setting {key} (it stays {now[key]}; change it in settings.env to open the port "
            "to other machines)"
            for key in settings.ADDRESSES
            if there.get(key, now[key]) != now[key]
        ]
        if _ACCOUNTS in found or _OLD_ACCOUNTS in found:
            is_old = _ACCOUNTS not in found
            fresh.accounts.take_over(found[_OLD_ACCOUNTS if is_old else _ACCOUNTS], is_old)
        else:
            raise ArchiveError(f"it lacks {_ACCOUNTS}")
        self._write_certificates()
        for name, content in found.items():
            if name.startswith("secrets/"):
                _check_secret(name, content)
                target = fresh.state / name
                private_files.folder(target.parent)
                private_files.write(target, content)

    def _write_certificates(self) -> None:
        found = self._found
        authority, server, server_key = (found[one] for one in (_AUTHORITY[0], *_SERVER))
        key = found.get(_AUTHORITY[1])
        # An unsealed backup has no key of the authority; that of this machine is as good.
        if key is None and (self._there.authority / "ca.key").is_file():
            with contextlib.suppress(OSError):
                if (self._there.authority / "ca.crt").read_bytes() == authority:
                    key = (self._there.authority / "ca.key").read_bytes()
        certificates.check(authority, key, server, server_key)
        folder = self._fresh.authority
        private_files.write(folder / "ca.crt", authority)
        if key is not None:
            private_files.write(folder / "ca.key", key)
        private_files.write(self._fresh.certificates / "server.crt", server)
        private_files.write(self._fresh.certificates / "server.key", server_key)


def apply(
    prepared: Prepared,
    installation: Installation,
    compose: ComposeLike,
    tell: Tell,
    finish: Callable[[], None],
) -> Path | None:
    """Put what was prepared in place, restore the database, run `finish`, which starts the rest.

    If any of that fails, what was here before is here again, and runs if it ran. Returns the folder
    of what was put aside. Raises StackError, OSError and what `finish` raises.
    """
    with _alone(installation) as note:
        aside = None
        running: list[str] = []
        if installation.state.exists():
            running = [one.name for one in compose.services() if one.state == "running"]
            stamp = time.strftime("%Y%m%d-%H%M%S")
            aside = installation.state.with_name(f"{installation.state.name}.before-{stamp}")
        has_data = False
        note({"aside": aside.name if aside else None, "running": running})
        try:
            if aside:
                tell("stopping what is here")
                compose.stop()
                installation.state.rename(aside)
            prepared.fresh.state.rename(installation.state)
            # Boards have what came after the backup, and are asked for it.
            private_files.write(installation.losses, f"{prepared.made - _MARGIN_S}\n")
            _restore_database(compose, tell)
            has_data = True
            finish()
        except BaseException as error:
            if aside is None and has_data:
                # All is here, and there is nothing to go back to: what does not start is mended.
                note(None)
                raise
            _put_back(installation, aside, running, compose, tell)
            note(None)
            if isinstance(error, StackError):
                kept = "what was here before is back" if aside else "nothing was changed"
                raise StackError(f"{error}; {kept}", error.details) from error
            raise
        note(None)
    return aside


def recover(installation: Installation, compose: ComposeLike, tell: Tell) -> bool:
    """Undo a restore whose process was killed; True when there was one.

    Raises StackError while another restore is at work, OSError.
    """
    if not _note_file(installation).exists():
        return False
    with _alone(installation) as note:
        try:
            known = payloads.parse_json_object(_note_file(installation).read_bytes())
            name, running = known["aside"], [str(one) for one in known["running"]]
            aside = None if name is None else installation.state.with_name(Path(name).name)
        except (ValueError, KeyError, TypeError):
            # It was killed before it had changed anything, or after it had all in place.
            note(None)
            return False
        _put_back(installation, aside, running, compose, tell)
        note(None)
    return True


def _put_back(
    installation: Installation,
    aside: Path | None,
    running: list[str],
    compose: ComposeLike,
    tell: Tell,
) -> None:
    """Make what is in `aside` the installation again, and let its services run that ran."""
    tell("going back")
    if aside is None or aside.exists():
        with contextlib.suppress(StackError):
            compose.stop()
        failed = installation.state.with_name(f"{installation.state.name}.failed")
        shutil.rmtree(failed, ignore_errors=True)
        if installation.state.exists():
            installation.state.rename(failed)
        if aside:
            aside.rename(installation.state)
        shutil.rmtree(failed, ignore_errors=True)
    if running:
        with contextlib.suppress(StackError):
            compose.start(running)


def _restore_database(compose: ComposeLike, tell: Tell) -> None:
    tell("the database: starting")
    compose.start(["influxdb"])
    compose.wait(["influxdb"], START_S, lambda _: None)
    tell("the database: restoring")
    compose.inside("influxdb", f"{INFLUX} restore --full {INSIDE} && rm -rf {INSIDE}")


@contextmanager
def _alone(installation: Installation) -> Iterator[Callable[[dict[str, Any] | None], None]]:
    """Keep other restores out. What is noted meanwhile outlives a process that is killed."""
    path = _note_file(installation)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError("another restore is at work: wait until it has ended") from error

        def note(what: dict[str, Any] | None) -> None:
            os.ftruncate(handle, 0)
            if what is None:
                path.unlink(missing_ok=True)
            else:
                os.pwrite(handle, json.dumps(what).encode(), 0)
                os.fsync(handle)

        yield note
    finally:
        os.close(handle)


def _note_file(installation: Installation) -> Path:
    return installation.state.with_name(f"{installation.state.name}.restore.json")


def _compare_accounts(prepared: Prepared, installation: Installation) -> None:
    if not installation.made:
        return
    try:
        here = installation.accounts.hashes()
    except (OSError, ValueError, KeyError, TypeError):
        # Of an installation that is damaged nothing can be said.
        return
    brought = prepared.fresh.accounts.hashes()
    prepared.returning = sorted(brought.keys() - here.keys())
    prepared.older = sorted(name for name in brought.keys() & here if brought[name] != here[name])


def _manifest(content: bytes) -> int:
    """Return the Unix time of the backup."""
    try:
        manifest = payloads.parse_json_object(content)
    except payloads.PayloadError as error:
        raise ArchiveError(f"it is no backup of `mote stack`: {error}") from error
    version, made = manifest.get("mote"), manifest.get("made")
    if manifest.get("format") != FORMAT:
        by = version if isinstance(version, str) and _VERSION.fullmatch(version) else "another one"
        raise ArchiveError(f"it is in a form that this Mote cannot read (Mote {by} made it)")
    if not isinstance(made, int) or not _EARLIEST_S <= made <= time.time() + _DAY_S:
        raise ArchiveError("it says that it was made before 2020 or in the future")
    return made


def _all(reader: ArchiveReader, entry: Entry) -> bytes:
    parts = []
    while part := reader.read(entry.size or 1):
        parts.append(part)
    return b"".join(parts)


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ArchiveError("its settings are damaged") from error


def _check_secret(name: str, content: bytes) -> None:
    """Raise ArchiveError for a secret that would be more than one word of an option or a line."""
    if name == _SMTP_PASSWORD:
        is_good = _text(content).isprintable()
    elif name == _FLEET:
        is_good = bool(re.fullmatch(rb"(fleet-[0-9]{2},[A-Za-z0-9_-]{8,64}\r?\n){0,99}", content))
    else:
        is_good = bool(re.fullmatch(rb"[A-Za-z0-9_+/=.][A-Za-z0-9_+/=.-]{7,511}", content))
    if not is_good:
        raise ArchiveError(_BAD_SECRET.format(name))
