"""Who may log in: one account a device, and the owner's.

Passwords are 128 random bits made here, never chosen by a person, so one round of salted SHA-256 is
as strong as they are; a slow hash would only make a thousand boards wait for each other.
"""

import hashlib
import json
import secrets
from pathlib import Path
from typing import ClassVar

from motekit import credentials, private_files
from motekit.credentials import OWNER


class Accounts:
    """The accounts in folder `data`: `accounts.json` (hashes) and the owner's password in a file.

    Both files can be read by their owner alone. Changes of another process are noticed.
    """

    remove_command: ClassVar[str] = "mote hub remove"

    def __init__(self, data: Path) -> None:
        self._path = data / "accounts.json"
        self._owner_path = data / "owner.password"
        self._stamp = 0
        self._hashes: dict[str, str] = {}
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._owner_path.exists():
            password = credentials.new_password()
            self.put(OWNER, password)
            private_files.write(self._owner_path, password)

    @property
    def owner_password(self) -> str:
        return self._owner_path.read_text(encoding="utf-8")

    def add(self, device: str) -> str:
        """Make an account for `device` and return its password, which is kept nowhere.

        Raises AccountError for a name that is no device id, or is taken.
        """
        password = self.new_password(device)
        if device in self.names():
            raise credentials.taken(device, self.remove_command)
        self.put(device, password)
        return password

    @staticmethod
    def new_password(device: str) -> str:
        """A password for `device`, valid after `put`. Raises AccountError for no device id."""
        credentials.check(device)
        return credentials.new_password()

    def put(self, device: str, password: str) -> None:
        """Let `device` log in with `password`, and no longer with the one before it."""
        self._read()
        salt = secrets.token_hex(8)
        self._hashes[device] = f"{salt}:{_hash(salt, password)}"
        self._write()

    def remove(self, device: str) -> None:
        """Remove the account of `device`. Raises AccountError when there is none."""
        self._read()
        if device == OWNER or self._hashes.pop(device, None) is None:
            raise credentials.unknown(device, "mote hub list")
        self._write()

    def names(self) -> list[str]:
        """The devices that have an account."""
        self._read()
        return sorted(name for name in self._hashes if name != OWNER)

    def verify(self, name: str, password: str) -> bool:
        """Whether `password` is that of account `name`."""
        self._read()
        salt, _, expected = self._hashes.get(name, "-:-").partition(":")
        return secrets.compare_digest(_hash(salt, password), expected)

    def _read(self) -> None:
        try:
            stamp = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if stamp != self._stamp:
            self._hashes = json.loads(self._path.read_text(encoding="utf-8"))
            self._stamp = stamp

    def _write(self) -> None:
        private_files.write(self._path, json.dumps(self._hashes, indent=1))


def _hash(salt: str, password: str) -> str:
    return hashlib.sha256(f"{salt}:{password}".encode()).hexdigest()
