"""Who may log in to the broker: one account a device, one a service, in mosquitto's own format."""

import base64
import hashlib
import secrets
from pathlib import Path

from motekit import credentials, private_files
from motekit.credentials import OWNER, new_typed_password

SERVICES = ("telegraf", "grafana", "refill", "last-values", "health")
# PBKDF2 with SHA-512, as `mosquitto_passwd` writes it. The passwords are 99 random bits or more,
# so its default of 101 rounds is plenty, and a thousand boards can come back at once.
_ROUNDS = 101
_SALT_BYTES = 12


class Accounts:
    """The accounts in mosquitto's password file `path`, which holds hashes only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, devices: list[str]) -> dict[str, str]:
        """Make an account for each device; their passwords, which are kept nowhere.

        Raises AccountError, and makes none, for a name that is no device id, or is taken.
        """
        known = self._read()
        for device in devices:
            self.check(device)
            if device in known:
                raise credentials.taken(device, "mote stack remove")
        passwords = {device: new_typed_password() for device in devices}
        for device, password in passwords.items():
            known[device] = _salted(password)
        self._write(known)
        return passwords

    @staticmethod
    def check(device: str) -> None:
        """Raises AccountError for a name that no device may have."""
        credentials.check(device, (OWNER, *SERVICES))

    def put(self, device: str, password: str) -> None:
        """Let `device` log in with `password`, and no longer with the one before it."""
        known = self._read()
        known[device] = _salted(password)
        self._write(known)

    def remove(self, device: str) -> None:
        """Remove the account of `device`. Raises AccountError when there is none."""
        known = self._read()
        if device in (OWNER, *SERVICES) or known.pop(device, None) is None:
            raise credentials.unknown(device, "mote stack list")
        self._write(known)

    def devices(self) -> list[str]:
        """The devices that have an account."""
        return sorted(name for name in self._read() if name not in (OWNER, *SERVICES))

    def keep(self, logins: dict[str, str]) -> bool:
        """See to it that each name logs in with its password; True when that was not so."""
        known = self._read()
        new = {
            name: _salted(password)
            for name, password in logins.items()
            if not _matches(known.get(name, ""), password)
        }
        if new:
            self._write(known | new)
        return bool(new)

    def _read(self) -> dict[str, str]:
        if not self._path.exists():
            return {}
        lines = self._path.read_text(encoding="utf-8").splitlines()
        return {name: rest for name, _, rest in (line.partition(":") for line in lines)}

    def _write(self, known: dict[str, str]) -> None:
        text = "".join(f"{name}:{hashed}\n" for name, hashed in sorted(known.items()))
        private_files.write(self._path, text)


def _salted(password: str) -> str:
    return _hash(password, secrets.token_bytes(_SALT_BYTES))


def _hash(password: str, salt: bytes, rounds: int = _ROUNDS) -> str:
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _matches(hashed: str, password: str) -> bool:
    parts = hashed.split("$")
    if len(parts) != 5:
        return False
    expected = _hash(password, base64.b64decode(parts[3]), int(parts[2]))
    return secrets.compare_digest(hashed, expected)
