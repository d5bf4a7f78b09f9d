"""What the users of Redis may do: judged by a real redis-server that reads their file."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from motekit.stack.installation import DOCKER, Installation

pytestmark = pytest.mark.skipif(not shutil.which("redis-server"), reason="needs redis-server")
WAIT_S = 60


class Server:
    """Redis with docker/redis/redis.conf, and one user more who may ask about the others."""

    def __init__(self, folder: Path) -> None:
        self._installation = Installation(folder / "state")
        self._installation.make(["localhost"])
        self._socket = folder / "redis.sock"
        users = (self._installation.state / "redis" / "users.acl").read_text()
        (folder / "users.acl").write_text(f"{users}user judge on nopass ~* &* +@all\n")
        text = (DOCKER / "redis" / "redis.conf").read_text()
        text = re.sub(r"^(bind|port|aclfile|dir) .*$", "", text, flags=re.M)
        text += f"\nport 0\nunixsocket {self._socket}\naclfile {folder}/users.acl\ndir {folder}\n"
        (folder / "redis.conf").write_text(text)
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                ["redis-server", folder / "redis.conf"], stdout=log, stderr=log
            )
        until = time.monotonic() + WAIT_S
        while not self._answers():
            assert time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return bool(self.client("default").ping())
        except redis.ConnectionError:
            return False

    def client(self, user: str) -> redis.Redis:
        password = self._installation.secrets / user / "redis_password"
        return redis.Redis(
            unix_socket_path=str(self._socket),
            username=None if user == "default" else user,
            password=password.read_text() if password.exists() else None,
            decode_responses=True,
        )

    def allows(self, user: str, *command: str) -> bool:
        """What Redis itself says about a command (ACL DRYRUN)."""
        answer = self.client("judge").execute_command("ACL", "DRYRUN", user, *command)
        return str(answer) == "OK"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("redis"))
    yield made
    made.process.kill()
    made.process.wait()


def commands(server: Server, category: str) -> set[str]:
    """The commands that Redis has in a category."""
    found = server.client("judge").execute_command("ACL", "CAT", category)
    return {str(one).replace("|", " ") for one in found}


def test_grafana_may_ask_for_the_state_of_redis(server: Server) -> None:
    """The later rule wins: `+info -@dangerous` would take INFO away again."""
    assert "redis_version" in server.client("grafana").info()
    assert server.allows("grafana", "INFO", "memory")


# What stays open of the dangerous category, by user.
@pytest.mark.parametrize(("user", "kept"), [("grafana", {"info"}), ("last-values", set())])
def test_nobody_has_a_dangerous_command(server: Server, user: str, kept: set[str]) -> None:
    dangerous = commands(server, "dangerous")
    assert {"keys", "flushall", "config set", "client kill", "info", "acl setuser"} <= dangerous
    allowed = set()
    for one in dangerous:
        for arguments in ([], ["x"], ["x", "y"], ["x", "y", "z"]):
            try:
                if server.allows(user, *one.split(), *arguments):
                    allowed.add(one)
            except redis.ResponseError as error:
                # Another number of arguments.
                assert "wrong number" in str(error) or "unknown" in str(error).lower(), error
    assert allowed == kept


def test_each_does_its_work_and_no_more(server: Server) -> None:
    values = server.client("last-values")
    values.sadd("devices", "ov1")
    values.hset("values:ov1", mapping={"t": "1"})
    values.hset("times:ov1", mapping={"t": "2"})
    values.hset("device:ov1", mapping={"online": "1"})
    assert values.hgetall("values:ov1") == {"t": "1"} and values.smembers("devices") == {"ov1"}
    grafana = server.client("grafana")
    assert grafana.hgetall("values:ov1") == {"t": "1"}
    for client, command in (
        (values, ("HSET", "other", "a", "b")),
        (values, ("DEL", "devices")),
        (values, ("KEYS", "*")),
        (values, ("CLIENT", "LIST")),
        (values, ("CLIENT", "KILL", "TYPE", "normal")),
        (grafana, ("HSET", "values:ov1", "t", "9")),
        (grafana, ("KEYS", "*")),
        (grafana, ("CONFIG", "GET", "*")),
        (grafana, ("CLIENT", "KILL", "TYPE", "normal")),
        (grafana, ("ACL", "LIST")),
        (grafana, ("FLUSHALL",)),
        (server.client("default"), ("HGETALL", "values:ov1")),
        (server.client("default"), ("INFO",)),
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command)
    assert server.client("default").ping()
