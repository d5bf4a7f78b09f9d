"""The accounts of the broker: one for each device, each person and each service.

They are the configuration of Mosquitto's dynamic security plugin, which binds an account to a
client id. Rights follow from `motekit.acl`: those of people are roles in it, the others are in the
access control list.
"""

import base64
import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motekit import acl, credentials, payloads, private_files
from motekit.acl import Role
from motekit.credentials import OWNER, AccountError, new_typed_password
from motekit.stack import mosquitto_acl

# Accounts without a fixed client id: services have several sessions, the owner several clients.
# A person with a role has one client, whose id is the account's name: who may only read must not
# end the session of a board by its client id.
UNBOUND = (OWNER, *acl.SERVICES)
# Sessions of the services in an installation whose settings have no MOTE_CLIENT_ID_SUFFIX: no
# device may have such a name, as its client id is its name.
CLIENT_IDS = (
    *(f"telegraf-{name}" for name in ("readings", "backfill", "status", "info", "broker")),
    "grafana-live",
    "replay-gate",
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


@dataclass(frozen=True)
class Account:
    """A login: the hash of its password in the form of `mosquitto_passwd`, and a person's role."""

    hashed: str
    role: Role = Role.DEVICE


class Accounts:
    """The accounts in file `path`, which holds hashes of passwords only.

    `password_file` is where earlier versions kept them; it is read where there is no `path` yet.
    """

    def __init__(self, path: Path, password_file: Path | None = None) -> None:
        self.path = path
        self._password_file = password_file

    def add(self, names: list[str], role: Role = Role.DEVICE) -> dict[str, str]:
        """Make an account for each name; return their passwords, which are kept nowhere.

        Raises AccountError, and makes none, for a name that is no device id, or is taken.
        """
        known = self._read()
        for name in names:
            self.check(name)
            if name in known:
                raise credentials.taken(name, "mote stack remove")
        passwords = {name: new_typed_password() for name in names}
        for name, password in passwords.items():
            known[name] = Account(_salted(password), role)
        self._write(known)
        return passwords

    @staticmethod
    def check(device: str) -> None:
        """Raises AccountError for a name that no device may have."""
        credentials.check(device, _RESERVED)

    def put(self, device: str, password: str) -> None:
        """Let `device` log in with `password`, and no longer with the one before it."""
        known = self._read()
        known[device] = Account(_salted(password))
        self._write(known)

    def remove(self, device: str) -> None:
        """Remove the account of `device`. Raises AccountError when there is none."""
        known = self._read()
        if device in UNBOUND or known.pop(device, None) is None:
            raise credentials.unknown(device, "mote stack list")
        self._write(known)

    def devices(self) -> list[str]:
        """The devices that have an account."""
        return sorted(name for name, role in self._roles() if role is Role.DEVICE)

    def people(self) -> dict[str, Role]:
        """The people who have an account, with their roles; the owner is not among them."""
        return {name: role for name, role in sorted(self._roles()) if role is not Role.DEVICE}

    def _roles(self) -> list[tuple[str, Role]]:
        known = self._read().items()
        return [(name, one.role) for name, one in known if name not in UNBOUND]

    def keep(self, logins: dict[str, str]) -> bool:
        """See to it that each name logs in with its password; True when that was not so."""
        known = self._read()
        new = {
            name: Account(_salted(password))
            for name, password in logins.items()
            if name not in known or not _matches(known[name].hashed, password)
        }
        # Of an earlier version: in another file, or without the roles of this one.
        converted = not self.path.exists() or self._document()["roles"] != mosquitto_acl.roles()
        if new or converted:
            self._write(known | new)
        if self._password_file:
            self._password_file.unlink(missing_ok=True)
        return bool(new)

    def hashes(self) -> dict[str, str]:
        """Return each device and person with the hash of its password."""
        return {name: one.hashed for name, one in self._read().items() if name not in UNBOUND}

    def take_over(self, content: bytes, is_password_file: bool) -> None:
        """Write the accounts of a backup, of which only names, hashes and roles are taken.

        Raises AccountError for accounts that `mote stack` has not written.
        """
        known = _from_passwords(content) if is_password_file else _from_json(content)
        for name, account in known.items():
            if name not in UNBOUND:
                self.check(name)
            if not _HASH.fullmatch(account.hashed):
                raise AccountError(f"the account {name!r} has no hash of a password")
        self._write(known)

    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return document

    def _read(self) -> dict[str, Account]:
        if self.path.exists():
            return {one["username"]: _account(one) for one in self._document()["clients"]}
        if self._password_file is None or not self._password_file.exists():
            return {}
        lines = self._password_file.read_text(encoding="utf-8").splitlines()
        return {name: Account(rest) for name, _, rest in (line.partition(":") for line in lines)}

    def _write(self, known: dict[str, Account]) -> None:
        document = {
            "defaultACLAccess": _DEFAULTS,
            "clients": [_client(name, one) for name, one in sorted(known.items())],
            "groups": [],
            "roles": mosquitto_acl.roles(),
        }
        private_files.write(self.path, json.dumps(document, indent=1) + "\n")


def _from_json(content: bytes) -> dict[str, Account]:
    try:
        clients = payloads.parse_json_object(content, _FILE_MAX)["clients"]
        known = {one["username"]: _account(one) for one in clients}
    except (payloads.PayloadError, KeyError, TypeError, AttributeError) as error:
        raise AccountError("the accounts of the broker are damaged") from error
    if len(known) < len(clients) or not all(isinstance(name, str) for name in known):
        raise AccountError("the accounts of the broker are damaged")
    return known


def _from_passwords(content: bytes) -> dict[str, Account]:
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError as error:
        raise AccountError("the accounts of the broker are damaged") from error
    return {name: Account(rest) for name, _, rest in (line.partition(":") for line in lines)}


def _client(name: str, account: Account) -> dict[str, Any]:
    """Return an account as the plugin has it; the client id of most is their name."""
    _, _, rounds, salt, digest = account.hashed.split("$")
    bound = {} if name in UNBOUND else {"clientid": name}
    login = {"salt": salt, "password": digest, "iterations": int(rounds)}
    role = mosquitto_acl.role_of(name, account.role)
    return {"username": name, **bound, **login, "roles": [{"rolename": role}] if role else []}


def _account(document: dict[str, Any]) -> Account:
    hashed = f"$7${document['iterations']}${document['salt']}${document['password']}"
    names = [one["rolename"] for one in document.get("roles", ())]
    return Account(hashed, *(Role(one) for one in names if one in mosquitto_acl.GIVEN))


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
