"""One installation of the backend: the folder of its secrets, certificates, accounts and data."""

import hashlib
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from motekit import certificates, places, private_files
from motekit.credentials import OWNER, new_password
from motekit.stack import exposure, full, settings
from motekit.stack.accounts import Accounts
from motekit.stack.alerting import contact_points, own_address

DOCKER = places.CHECKOUT / "docker"
# For whom the containers run when root itself sets the stack up, and nobody stands behind it.
_NOBODYS_USER = 10001
_SETTINGS = """\
# Settings of this backend, for `mote stack` and `docker compose`. After a change: mote stack up

# For whom the containers run; the secrets beside this file are theirs alone.
MOTE_USER={user}

# By which names and addresses boards and browsers reach this machine (its certificate has them).
MOTE_NAMES={names}

# Ports of this machine: MQTT, MQTT with TLS, Grafana.
MOTE_MQTT_PORT=1883
MOTE_MQTT_TLS_PORT=8883
MOTE_GRAFANA_PORT=3000

# MQTT on the first port and Grafana on its own have no TLS: passwords and readings go in clear. At
# which addresses of this machine they are reached: 127.0.0.1 is this machine alone, 0.0.0.0 whoever
# can reach it, or one of its addresses. MQTT with TLS and the pages of profile full stay open.
MOTE_MQTT_ADDRESS=127.0.0.1
MOTE_GRAFANA_ADDRESS=127.0.0.1

# core, or full: with HTTPS for all pages, last values in Redis, logs, MQTTX, devices made up.
MOTE_PROFILE=core

# Only with full. Ports for HTTP, which leads to HTTPS, and HTTPS. Its certificate: local, by the
# authority beside this file, or letsencrypt for the domain, with an address for its notices.
MOTE_HTTP_PORT=80
MOTE_HTTPS_PORT=443
MOTE_WEB_CERTIFICATE=local
MOTE_DOMAIN=
MOTE_ACME_EMAIL=
# Who brings logs to Loki: promtail (its end of life was 2 March 2026) or alloy, its successor.
MOTE_LOG_SHIPPER=promtail
# Twenty devices that are made up: 1, or 0 for none.
MOTE_FLEET=1
# Docker's socket, and the group that may use it.
MOTE_DOCKER_SOCKET={socket}
MOTE_DOCKER_GROUP={group}

# Memory for the database. For a Raspberry Pi 4: docker/raspberry-pi.env.
MOTE_INFLUXDB_MEMORY=2G
MOTE_INFLUXDB_GOMEMLIMIT=1600MiB

# Ends the client ids of the services at the broker, so that nobody else can take their sessions.
# Leave it as it is: with another one, readings that wait for Telegraf would wait for ever.
MOTE_CLIENT_ID_SUFFIX=-{suffix}

# Where alerts go; what stays empty sends nothing. A mail server as host:port. SMTP_PASSWORD is read
# by `mote stack up`, which puts it where only Grafana sees it.
ALERT_EMAIL=
SMTP_HOST=
SMTP_USER=
SMTP_PASSWORD=
SMTP_FROM=
ALERT_WEBHOOK=
ALERT_TELEGRAM_TOKEN=
ALERT_TELEGRAM_CHAT=
"""


@dataclass(frozen=True)
class Secret:
    """A secret that `mote stack` made: its file below `secrets/`, and what it opens."""

    file: str
    opens: str
    user: str


SECRETS = {
    "grafana": Secret("grafana/admin_password", "the dashboards", "admin"),
    "mqtt": Secret("owner/mqtt_password", "the broker, every topic", OWNER),
    "influxdb": Secret("influxdb/password", "the database's own pages", OWNER),
    "web": Secret("owner/web_password", "the pages of profile full", OWNER),
    "operator": Secret("influxdb/operator_token", "the database's interface", ""),
}
# Grafana encrypts with it what it stores; nobody needs to see it.
_GRAFANA_KEY = "grafana/secret_key"
# Accounts of the broker that services use, and where each one's password lies.
_BROKER_SECRETS = {
    OWNER: "owner/mqtt_password",
    "telegraf": "telegraf/mqtt_password",
    "grafana": "grafana/mqtt_password",
    "refill": "owner/refill_password",
    "replay-gate": "owner/replay_gate_password",
    "health": "owner/health_password",
    "control": "owner/control_password",
    "last-values": "last-values/mqtt_password",
}
PROFILES = ("core", "full")
# Services that read files of docker/<service> at their start.
_CONFIGURED = ("mosquitto", "telegraf", "refill", "replay-gate", "influxdb", "traefik")
# The tokens that influxdb-setup makes: each is mounted as a file, which has to be there.
TOKENS = tuple(f"{service}/influxdb_token" for service in ("telegraf", "grafana", "last-values"))


class Installation:
    """The files in folder `state`. Made by `make`, then read by the services."""

    def __init__(self, state: Path) -> None:
        self.state = state.resolve()
        self.settings_file = self.state / "settings.env"
        self.secrets = self.state / "secrets"
        self.authority = self.state / "authority"
        self.certificates = self.state / "certificates"
        self.broker = self.state / "mosquitto"
        # Written anew from the secrets, so in no backup.
        self.logins = self.state / "logins"
        self.contacts = self.state / "grafana" / "contacts.json"
        self.data = self.state / "data"
        self.backups = self.state / "backups"
        self.losses = self.data / "refill" / "losses"
        self.accounts = Accounts(self.broker / "accounts.json", self.broker / "passwd")

    @property
    def made(self) -> bool:
        return self.settings_file.exists()

    def make(self, names: list[str] | None = None, rootless: bool = False) -> list[str]:
        """Make what is not there yet; what is there stays. Returns what was made, for people.

        `names` replace those in the certificate. With `rootless`, Docker runs as this user, whom a
        container sees as root.
        """
        if self.made and self.state.stat().st_uid != os.geteuid() != 0:
            raise PermissionError(
                f"{self.state} belongs to {self.state.owner()}: run mote stack as that user"
            )
        did = []
        self.make_folders(rootless)
        if not self.made:
            self.write_settings(rootless, {"MOTE_NAMES": ",".join(names)} if names else {})
            did.append(f"settings in {self.settings_file}")
        else:
            if names:
                self._set("MOTE_NAMES", ",".join(names))
            did += self._keep_addresses()
        files = [secret.file for secret in SECRETS.values()]
        own = (*files, *_BROKER_SECRETS.values(), *full.REDIS_SECRETS.values(), _GRAFANA_KEY)
        for secret in dict.fromkeys(own):
            if not (self.secrets / secret).exists():
                private_files.write(self.secrets / secret, new_password())
                did.append(f"secret {secret}")
        for path in (*(self.secrets / token for token in TOKENS), self.losses):
            if not path.exists():
                private_files.write(path, "")
        logins = full.fleet_accounts(self.secrets / "fleet" / "accounts.csv") | {
            name: (self.secrets / secret).read_text(encoding="utf-8")
            for name, secret in _BROKER_SECRETS.items()
        }
        if self.accounts.keep(logins):
            did.append("accounts of the services")
        self._write_logins()
        self._write_full_logins()
        self._write_contacts()
        for service in self.stale():
            private_files.write(self._revision(service), _revision_of(service))
        known = self.settings()["MOTE_NAMES"].split(",")
        if certificates.ensure(self.authority, self.certificates, known):
            did.append(f"certificate for {', '.join(known)}")
        return did

    def _keep_addresses(self) -> list[str]:
        """Settings of an earlier version go on as they were: boards may need the open port."""
        missing = [key for key in exposure.ADDRESSES if key not in self.settings()]
        for key in missing:
            self._set(key, exposure.EVERYBODY)
        return [f"setting {key}={exposure.EVERYBODY}, as it was before" for key in missing]

    def stale(self) -> list[str]:
        """Return the services whose configuration in docker/ changed since `make`.

        Compose creates a container anew when its environment changes, and not when a file does.
        """
        return [
            service
            for service in _CONFIGURED
            if not self._revision(service).exists()
            or self._revision(service).read_text(encoding="utf-8") != _revision_of(service)
        ]

    def _revision(self, service: str) -> Path:
        return self.state / "revisions" / f"{service}.env"

    def settings(self) -> dict[str, str]:
        """The settings of this installation."""
        return read_env(self.settings_file)

    @property
    def tls_port(self) -> int:
        """The port of this machine for MQTT with TLS."""
        return int(self.settings()["MOTE_MQTT_TLS_PORT"])

    @property
    def profile(self) -> str:
        """`core` or `full`."""
        chosen = self.settings().get("MOTE_PROFILE", "")
        return chosen if chosen in PROFILES else PROFILES[0]

    def problems(self) -> list[str]:
        """Return what is wrong with the settings, a sentence each. Raises OSError."""
        return settings.problems(self.settings()) if self.made else []

    def choose(self, profile: str) -> None:
        """Make `profile` the one that `mote stack up` starts from now on."""
        self._set("MOTE_PROFILE", profile)
        self._write_contacts()

    def write_settings(self, rootless: bool, values: dict[str, str]) -> None:
        """Write the settings of a new installation, with `values` instead of the usual ones."""
        socket, group = full.docker_socket()
        names = ",".join(certificates.own_names())
        suffix = secrets.token_hex(16)
        text = _SETTINGS.format(
            user=self._user(rootless), names=names, socket=socket, group=group, suffix=suffix
        )
        for key, value in values.items():
            text = _with_setting(text, key, value)
        private_files.write(self.settings_file, text)

    def adopt(self, rootless: bool) -> None:
        """Give what came from elsewhere to the user for whom the containers run here."""
        for path in self.state.rglob("*"):
            private_files.give_to_owner_of(self.state, path)
        self._set("MOTE_USER", self._user(rootless))
        socket, group = full.docker_socket()
        self._set("MOTE_DOCKER_SOCKET", socket)
        self._set("MOTE_DOCKER_GROUP", str(group))

    def _user(self, rootless: bool) -> str:
        owner = self.state.stat()
        return "0:0" if rootless else f"{owner.st_uid}:{owner.st_gid}"

    def secret(self, name: str) -> str:
        """The secret that SECRETS calls `name`."""
        return (self.secrets / SECRETS[name].file).read_text(encoding="utf-8")

    def exposed(self) -> list[Path]:
        """Files with secrets that others than their owner may read."""
        private = [
            self.settings_file,
            *self.secrets.rglob("*"),
            *self.logins.rglob("*"),
            *self.authority.glob("*.key"),
        ]
        private += [self.accounts.path, self.certificates / "server.key"]
        return [path for path in private if path.is_file() and path.stat().st_mode & 0o077]

    def make_folders(self, rootless: bool) -> None:
        """The folders, for the user for whom the containers run."""
        if not self.state.is_dir():
            self.state.mkdir(parents=True, mode=0o700)
            if os.geteuid() == 0 and not rootless:
                user = int(os.environ.get("SUDO_UID", _NOBODYS_USER))
                os.chown(self.state, user, int(os.environ.get("SUDO_GID", user)))
        top = (
            self.secrets,
            self.authority,
            self.certificates,
            self.broker,
            self.data,
            self.backups,
        )
        secrets = ("owner", "influxdb", "telegraf", "grafana", "last-values", "fleet")
        below = [self.secrets / name for name in secrets]
        data = ("mosquitto", "influxdb", "grafana", "refill", *full.DATA)
        below += [self.data / name for name in data]
        below += [self.broker / "health", self.contacts.parent]
        below += [self.logins, self.logins / "refill", self.logins / "replay-gate"]
        below += [self.state / name for name in ("redis", "traefik", "revisions")]
        for path in (*top, *below):
            private_files.folder(path)

    def _write_logins(self) -> None:
        # mosquitto_sub and _pub read options from here, so that no command line shows a password.
        both = ("mosquitto_sub", "mosquitto_pub")
        for name, folder, options, programs in (
            ("health", self.broker, "", both[:1]),
            ("refill", self.logins, "-h mosquitto\n", both),
            ("replay-gate", self.logins, "-h mosquitto\n", both),
        ):
            password = (self.secrets / _BROKER_SECRETS[name]).read_text(encoding="utf-8")
            for program in programs:
                path = folder / name / program
                _write_if_new(path, f"{options}-u {name}\n-P {password}\n")
        # An earlier version had it where the broker can read it.
        shutil.rmtree(self.broker / "refill", ignore_errors=True)

    def _write_full_logins(self) -> None:
        passwords = {
            user: (self.secrets / file).read_text(encoding="utf-8")
            for user, file in full.REDIS_SECRETS.items()
        }
        _write_if_new(self.state / "redis" / "users.acl", full.redis_users(passwords))
        _write_if_new(self.state / "traefik" / "users", full.web_users(self.secret("web")))

    def _write_contacts(self) -> None:
        settings = self.settings()
        before = json.loads(self.contacts.read_text()) if self.contacts.exists() else {}
        _write_if_new(self.contacts, json.dumps(contact_points(settings, before), indent=1))
        password = self.secrets / "grafana/smtp_password"
        _write_if_new(password, settings.get("SMTP_PASSWORD", ""))
        # Compose makes Grafana's container anew when this changes; it reads both at a start only.
        changed = max(path.stat().st_mtime_ns for path in (self.contacts, password))
        _write_if_new(
            self.contacts.with_name("grafana.env"),
            f"GF_SERVER_ROOT_URL={own_address(settings)}\nMOTE_CONTACTS_OF={changed}\n",
        )

    def set(self, key: str, value: str) -> None:
        """Change a setting, or add it."""
        self._set(key, value)

    def unset(self, key: str) -> None:
        """Take a setting away."""
        lines = self.settings_file.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(f"{key}=")]
        private_files.write(self.settings_file, "".join(kept))

    def _set(self, key: str, value: str) -> None:
        text = self.settings_file.read_text(encoding="utf-8")
        private_files.write(self.settings_file, _with_setting(text, key, value))


def _with_setting(text: str, key: str, value: str) -> str:
    lines = text.splitlines()
    lines = [f"{key}={value}" if line.startswith(f"{key}=") else line for line in lines]
    # Settings of an earlier version do not have every key.
    if f"{key}={value}" not in lines:
        lines.append(f"{key}={value}")
    return "\n".join(lines) + "\n"


def _write_if_new(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        private_files.write(path, text)


def _revision_of(service: str) -> str:
    """Return the line of an environment that changes with the files of docker/<service>."""
    digest = hashlib.sha256()
    for path in sorted((DOCKER / service).iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"MOTE_REVISION={digest.hexdigest()}\n"


def versions() -> dict[str, str]:
    """Each image with its version, from `docker/versions.env`."""
    return read_env(DOCKER / "versions.env")


def read_env(path: Path) -> dict[str, str]:
    """The lines `KEY=value` of a file."""
    return settings.parse(path.read_text(encoding="utf-8"))


def secret_files() -> set[str]:
    """Return the files below `secrets/` that hold one secret each."""
    own = {_GRAFANA_KEY, *(one.file for one in SECRETS.values()), *_BROKER_SECRETS.values()}
    return own | set(full.REDIS_SECRETS.values())
