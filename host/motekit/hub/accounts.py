"""Who may log in: one account a device, the owner's, and those of other people.

Passwords are at least 99 random bits made here, never chosen by a person, so one round of salted
SHA-256 is as strong as they are; a slow hash would only make a thousand boards wait for each other.
"""

import fcntl
import hashlib
import json
import logging
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from mote import contract

from motekit import credentials, payloads, private_files
from motekit.acl import Role
from motekit.credentials import OWNER, AccountError
from motekit.limited_log import LimitedLog
from motekit.payloads import PayloadError

LOGGER = logging.getLogger(__name__)
FILE_NAME = "accounts.json"
OWNER_FILE_NAME = "owner.password"
LOCK_NAME = "accounts.lock"
# An entry has about 120 bytes.
_FILE_MAX = 16 * 2**20
_ENTRY = re.compile("[0-9a-f]{1,64}:[0-9a-f]{64}(:[a-z]+)?")
# The roles that an account can be given; there is one owner.
GIVEN = (Role.VIEWER, Role.OPERATOR)


@dataclass(frozen=True)
class Login:
    """A verified account. A new password, or a new account of the same name, has a new version."""

    name: str
    role: Role
    version: str


class Accounts:
    """The accounts in folder `data`: `accounts.json` (hashes) and the owner's password in a file.

    Both files can be read by their owner alone. Changes of another process are noticed.
    """

    remove_command: ClassVar[str] = "mote hub remove"

    def __init__(self, data: Path, *, create: bool = True) -> None:
        """Open the accounts; make them, and the folder, unless `create` is False.

        Raises AccountError when there are none, or their file is damaged, and OSError.
        """
        self._path = data / FILE_NAME
        self._owner_path = data / OWNER_FILE_NAME
        self._stamp: tuple[int, int] | None = None
        self._hashes: dict[str, str] = {}
        self._log = LimitedLog(LOGGER)
        if not create and not self._path.is_file():
            raise AccountError(
                f'there are no accounts in "{data}": start `mote hub`, or name its data folder '
                "with --data"
            )
        if create:
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._read()
        if create and not self._has_owner_password():
            password = credentials.new_password()
            self.put(OWNER, password)
            private_files.write(self._owner_path, password)

    @property
    def owner_password(self) -> str:
        return self._owner_path.read_bytes().decode(errors="replace")

    def add(self, device: str) -> str:
        """Make an account for `device` and return its password, which is kept nowhere.

        Raises AccountError for a name that is no device id, or is taken.
        """
        return self._add(device, Role.DEVICE)

    def add_person(self, name: str, role: Role) -> str:
        """Make an account for a person and return its password, which is kept nowhere.

        Raises AccountError for a name that is not possible, or is taken.
        """
        if role not in GIVEN:
            raise AccountError(f"there is no role {role}: give {' or '.join(GIVEN)}")
        return self._add(name, role)

    def renew(self, name: str) -> str:
        """Give an account a new password and return it; the old one ends at once.

        The owner's is also kept in its file. Raises AccountError when there is no such account.
        """
        password = credentials.new_password() if name == OWNER else credentials.new_typed_password()
        with self._alone():
            self._read()
            if name not in self._hashes:
                raise credentials.unknown(name, "mote hub list")
            self._put(name, password, _role(name, self._hashes[name]))
            if name == OWNER:
                private_files.write(self._owner_path, password)
        return password

    @staticmethod
    def new_password(device: str) -> str:
        """A password for `device`, valid after `put`. Raises AccountError for no device id."""
        credentials.check(device)
        return credentials.new_password()

    def put(self, device: str, password: str) -> None:
        """Let `device` log in with `password`, and no longer with the one before it.

        Raises AccountError for a name that a person has.
        """
        with self._alone():
            if device in self.people():
                raise credentials.taken(device, self.remove_command)
            self._put(device, password)

    def remove(self, device: str) -> None:
        """Remove the account of a device or a person. Raises AccountError when there is none."""
        with self._alone():
            self._read()
            if device == OWNER or self._hashes.pop(device, None) is None:
                raise credentials.unknown(device, "mote hub list")
            self._write()

    def entries(self) -> dict[str, str]:
        """Return each account with its hash and role. Raises AccountError, OSError."""
        self._read()
        return dict(self._hashes)

    def names(self) -> list[str]:
        """The devices that have an account."""
        return sorted(name for name, role in self._roles() if role is Role.DEVICE)

    def people(self) -> dict[str, Role]:
        """The people who have an account, with their roles; the owner is not among them."""
        return {name: role for name, role in sorted(self._roles()) if role in GIVEN}

    def stamp(self) -> object:
        """Return a value that is another one when the accounts were changed; it is cheap."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def log_in(self, name: str, password: str) -> Login | None:
        """Return the account `name` if `password` is its password."""
        return self.login(name) if self.verify(name, password) else None

    def login(self, name: str) -> Login | None:
        """Return the account `name` as it is now, None if there is none."""
        self._read_if_possible()
        entry = self._hashes.get(name)
        return _login(name, entry) if entry else None

    def verify(self, name: str, password: str) -> bool:
        """Whether `password` is that of account `name`.

        While the file is damaged, the accounts that were read before it was count.
        """
        self._read_if_possible()
        salt, _, expected = self._hashes.get(name, "-:-").partition(":")
        expected, _, _ = expected.partition(":")
        return secrets.compare_digest(_hash(salt, password), expected)

    def has(self, name: str) -> bool:
        """Whether there is an account `name`; while the file is damaged, as it was read before."""
        self._read_if_possible()
        return name in self._hashes

    def _read_if_possible(self) -> None:
        try:
            self._read()
        except (AccountError, OSError) as error:
            self._log.log(logging.ERROR, "read", "%s. Until then the former accounts count", error)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else changes the accounts meanwhile, in this process or another."""
        lock = os.open(self._path.with_name(LOCK_NAME), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _add(self, name: str, role: Role) -> str:
        credentials.check(name)
        password = credentials.new_typed_password()
        with self._alone():
            self._read()
            if name in self._hashes:
                raise credentials.taken(name, self.remove_command)
            self._put(name, password, role)
        return password

    def _put(self, name: str, password: str, role: Role = Role.DEVICE) -> None:
        self._read()
        salt = secrets.token_hex(8)
        entry = f"{salt}:{_hash(salt, password)}"
        self._hashes[name] = f"{entry}:{role}" if role in GIVEN else entry
        self._write()

    def _roles(self) -> Iterator[tuple[str, Role]]:
        self._read()
        return ((name, _role(name, entry)) for name, entry in self._hashes.items())

    def _has_owner_password(self) -> bool:
        try:
            return bool(self.owner_password)
        except FileNotFoundError:
            return False

    def _read(self) -> None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return
        # Two changes within the resolution of the clock still differ in their inode, as in `stamp`.
        stamp = found.st_mtime_ns, found.st_ino
        if stamp == self._stamp:
            return
        try:
            hashes = payloads.parse_json_object(self._path.read_bytes(), _FILE_MAX)
            if not all(_is_entry(name, value) for name, value in hashes.items()):
                raise PayloadError("not a list of accounts")
        except PayloadError as error:
            raise AccountError(
                f'the accounts in "{self._path}" are damaged ({error}): restore a backup with '
                "`mote hub restore`, or move the file away and make the logins again with "
                "`mote hub add`"
            ) from error
        self._hashes, self._stamp = hashes, stamp

    def _write(self) -> None:
        private_files.write(self._path, json.dumps(self._hashes, indent=1))


def _hash(salt: str, password: str) -> str:
    # A password from the network may have any characters.
    return hashlib.sha256(f"{salt}:{password}".encode("utf-8", "surrogatepass")).hexdigest()


def _is_entry(name: str, value: object) -> bool:
    known = name == OWNER or contract.is_device_id(name)
    if not known or not isinstance(value, str) or not _ENTRY.fullmatch(value):
        return False
    role = value.split(":")[2:]
    return not role or (role[0] in GIVEN and name != OWNER)


def _role(name: str, entry: str) -> Role:
    if name == OWNER:
        return Role.OWNER
    _, _, *role = entry.split(":")
    return Role(role[0]) if role else Role.DEVICE


@lru_cache(4_096)
def _login(name: str, entry: str) -> Login:
    # A digest: it stands in cookies.
    return Login(name, _role(name, entry), hashlib.sha256(entry.encode()).hexdigest()[:16])
