"""Who may log in: one account a device, and the owner's.

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
from pathlib import Path
from typing import ClassVar

from mote import contract

from motekit import credentials, payloads, private_files
from motekit.credentials import OWNER, AccountError
from motekit.limited_log import LimitedLog
from motekit.payloads import PayloadError

LOGGER = logging.getLogger(__name__)
LOCK_NAME = "accounts.lock"
# An entry has about 120 bytes.
_FILE_MAX = 16 * 2**20
_ENTRY = re.compile("[0-9a-f]{1,64}:[0-9a-f]{64}")


class Accounts:
    """The accounts in folder `data`: `accounts.json` (hashes) and the owner's password in a file.

    Both files can be read by their owner alone. Changes of another process are noticed.
    """

    remove_command: ClassVar[str] = "mote hub remove"

    def __init__(self, data: Path, *, create: bool = True) -> None:
        """Open the accounts; make them, and the folder, unless `create` is False.

        Raises AccountError when there are none, or their file is damaged, and OSError.
        """
        self._path = data / "accounts.json"
        self._owner_path = data / "owner.password"
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
        credentials.check(device)
        password = credentials.new_typed_password()
        with self._alone():
            if device in self.names():
                raise credentials.taken(device, self.remove_command)
            self._put(device, password)
        return password

    @staticmethod
    def new_password(device: str) -> str:
        """A password for `device`, valid after `put`. Raises AccountError for no device id."""
        credentials.check(device)
        return credentials.new_password()

    def put(self, device: str, password: str) -> None:
        """Let `device` log in with `password`, and no longer with the one before it."""
        with self._alone():
            self._put(device, password)

    def remove(self, device: str) -> None:
        """Remove the account of `device`. Raises AccountError when there is none."""
        with self._alone():
            self._read()
            if device == OWNER or self._hashes.pop(device, None) is None:
                raise credentials.unknown(device, "mote hub list")
            self._write()

    def names(self) -> list[str]:
        """The devices that have an account."""
        self._read()
        return sorted(name for name in self._hashes if name != OWNER)

    def verify(self, name: str, password: str) -> bool:
        """Whether `password` is that of account `name`.

        While the file is damaged, the accounts that were read before it was count.
        """
        self._read_if_possible()
        salt, _, expected = self._hashes.get(name, "-:-").partition(":")
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

    def _put(self, device: str, password: str) -> None:
        self._read()
        salt = secrets.token_hex(8)
        self._hashes[device] = f"{salt}:{_hash(salt, password)}"
        self._write()

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
        # Two changes within the resolution of the clock still differ in their inode.
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
    return known and isinstance(value, str) and bool(_ENTRY.fullmatch(value))
