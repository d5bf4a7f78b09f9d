"""What profile `full` needs: logins of Redis and of the pages, made-up devices, Docker's socket."""

import base64
import csv
import hashlib
import io
import os
from pathlib import Path

from motekit import private_files
from motekit.credentials import OWNER, new_password

# Folders for the data of its services.
DATA = ("redis", "loki", "log-shipper", "traefik")
# Users of Redis, and where each one's password lies.
REDIS_SECRETS = {
    "last-values": "last-values/redis_password",
    "grafana": "grafana/redis_password",
}
# What each may do. Without a login one may ask whether Redis is there, for its health check.
_REDIS_RIGHTS = {
    "default": "nopass resetkeys -@all +ping",
    # The later rule wins, so single commands come last. @connection has commands that list and end
    # the connections of others: those are dangerous.
    "last-values": "~devices ~device:* ~values:* ~times:* -@all +@connection -@dangerous "
    "+hset +hgetall +sadd +smembers",
    "grafana": "~* -@all +@connection +@read -@dangerous +info",
}
_FLEET = 20
_SOCKET = "/var/run/docker.sock"


def redis_users(passwords: dict[str, str]) -> str:
    """Redis's file of users; it holds hashes only.

    SHA-256 once is all that Redis knows; the passwords are 128 random bits.
    """
    lines = []
    for user, rights in _REDIS_RIGHTS.items():
        login = ""
        if user in passwords:
            login = f"#{hashlib.sha256(passwords[user].encode()).hexdigest()} "
        lines.append(f"user {user} on sanitize-payload resetchannels {login}{rights}\n")
    return "".join(lines)


def web_users(password: str) -> str:
    """Traefik's file of users, with a hash.

    SHA-1 once: 128 random bits need no slow hash, which would be computed at every request.
    """
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return f"{OWNER}:{{SHA}}{base64.b64encode(digest).decode()}\n"


def fleet_accounts(path: Path) -> dict[str, str]:
    """The logins of the made-up devices, from `path`; made at the first time."""
    if not path.exists():
        text = io.StringIO()
        names = (f"fleet-{number:02}" for number in range(1, _FLEET + 1))
        csv.writer(text).writerows((name, new_password()) for name in names)
        private_files.write(path, text.getvalue())
    with path.open(newline="", encoding="utf-8") as file:
        return {row[0]: row[1] for row in csv.reader(file)}


def docker_socket() -> tuple[str, int]:
    """Docker's socket on this machine, and the group that may use it (0 where there is none)."""
    host = os.environ.get("DOCKER_HOST", "")
    path = host.removeprefix("unix://") if host.startswith("unix://") else _SOCKET
    try:
        return path, Path(path).stat().st_gid
    except OSError:
        return path, 0
