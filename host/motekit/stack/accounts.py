"""The accounts of the broker: one for each device and each service.

They are the configuration of Mosquitto's dynamic security plugin, which binds an account to a
client id. Rights are not in it: they follow from `motekit.acl`.
"""

import base64
import hashlib
import json
import re
import secrets
from pathlib import Path
from typing import Any

from motekit import acl, credentials, payloads, private_files
from motekit.credentials import OWNER, AccountError, new_typed_password

# Accounts without a fixed client id: services have several sessions, people several clients.
UNBOUND = (OWNER, *acl.SERVICES)
# Sessions of the services in an installation whose settings have no MOTE_CLIENT_ID_SUFFIX: no
# device may have such a name, as its client id is its name.
CLIENT_IDS = (
    *(f"telegraf-{name}" for name in ("readings", "backfill", "status", "info", "broker")),
    "grafana-live",
)
_RESERVED = (*UNBOUND, *CLIENT_IDS)
# PBKDF2 with SHA-512, as `mosquitto_passwd` writes it. The passwords are 99 random bits or more,
# so its default of 101 rounds is plenty, and a thousand boards can come back at once.
_ROUNDS = 101
_SALT_BYTES = 12
# More rounds than this would keep the broker busy with one login.
_HASH = re.compile(r"\$7\$[1-9][0-9]{0,4}\$[A-Za-z0-9+/]{8,88}={0,2}\$[A-Za-z0-9+/]{86}==")
# An account has about 400 bytes.
_FILE_MAX = 64 * 2**20


# What the plugin does with topics: nothing, the access control list decides.
_DEFAULTS = {
    "publishClientSend": False,
    "publishClientReceive": False,
    "subscribe": False,
    "unsubscribe": False,
}


class Accounts:
    """The accounts in file `path`, which holds hashes of passwords only.

    `password_file` is where earlier versions kept them; it is read where there is no `path` yet.
    """

    def __init__(self, path: Path, password_file: Path | None = None) -> None:
        self.path = path
        self._password_file = password_file

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
        credentials.check(device, _RESERVED)

    def put(self, device: str, password: str) -> None:
        """Let `device` log in with `password`, and no longer with the one before it."""
        known = self._read()
        known[device] = _salted(password)
        self._write(known)

    def remove(self, device: str) -> None:
        """Remove the account of `device`. Raises AccountError when there is none."""
        known = self._read()
        if device in UNBOUND or known.pop(device, None) is None:
            raise credentials.unknown(device, "mote stack list")
        self._write(known)

    def devices(self) -> list[str]:
        """The devices that have an account."""
        return sorted(name for name in self._read() if name not in UNBOUND)

    def keep(self, logins: dict[str, str]) -> bool:
        """See to it that each name logs in with its password; True when that was not so."""
        known = self._read()
        new = {
            name: _salted(password)
            for name, password in logins.items()
            if not _matches(known.get(name, ""), password)
        }
        converted = not self.path.exists()
        if new or converted:
            self._write(known | new)
        if converted and self._password_file:
            self._password_file.unlink(missing_ok=True)
        return bool(new)

    def hashes(self) -> dict[str, str]:
        """Return each device with the hash of its password."""
        return {name: one for name, one in self._read().items() if name not in UNBOUND}

    def take_over(self, content: bytes, is_password_file: bool) -> None:
        """Write the accounts of a backup, of which nothing but names and hashes is taken.

        Raises AccountError for accounts that `mote stack` has not written.
        """
        known = _from_passwords(content) if is_password_file else _from_json(content)
        for name, hashed in known.items():
            if name not in UNBOUND:
                self.check(name)
            if not _HASH.fullmatch(hashed):
                raise AccountError(f"the account {name!r} has no hash of a password")
        self._write(known)

    def _read(self) -> dict[str, str]:
        """Return each name with its hash, in the form of `mosquitto_passwd`."""
        if self.path.exists():
            document = json.loads(self.path.read_text(encoding="utf-8"))
            return {one["username"]: _joined(one) for one in document["clients"]}
        if self._password_file is None or not self._password_file.exists():
            return {}
        lines = self._password_file.read_text(encoding="utf-8").splitlines()
        return {name: rest for name, _, rest in (line.partition(":") for line in lines)}

    def _write(self, known: dict[str, str]) -> None:
        clients = [_client(name, hashed) for name, hashed in sorted(known.items())]
        document = {"defaultACLAccess": _DEFAULTS, "clients": clients, "groups": [], "roles": []}
        private_files.write(self.path, json.dumps(document, indent=1) + "\n")


def _from_json(content: bytes) -> dict[str, str]:
    try:
        clients = payloads.parse_json_object(content, _FILE_MAX)["clients"]
        known = {one["username"]: _joined(one) for one in clients}
    except (payloads.PayloadError, KeyError, TypeError) as error:
        raise AccountError("the accounts of the broker are damaged") from error
    if len(known) < len(clients) or not all(isinstance(name, str) for name in known):
        raise AccountError("the accounts of the broker are damaged")
    return known


def _from_passwords(content: bytes) -> dict[str, str]:
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError as error:
        raise AccountError("the accounts of the broker are damaged") from error
    return {name: rest for name, _, rest in (line.partition(":") for line in lines)}


def _client(name: str, hashed: str) -> dict[str, Any]:
    """Return an account as the plugin has it; a device's client id is its name."""
    _, _, rounds, salt, digest = hashed.split("$")
    bound = {} if name in UNBOUND else {"clientid": name}
    login = {"salt": salt, "password": digest, "iterations": int(rounds)}
    return {"username": name, **bound, **login, "roles": []}


def _joined(client: dict[str, Any]) -> str:
    return f"$7${client['iterations']}${client['salt']}${client['password']}"


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
