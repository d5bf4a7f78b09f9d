"""No secret on a command line, where every user of the machine can read it.

`influxd`, `influx` and the shells that start them are real; each of their command lines is kept by
a shell that stands before them, so that none is too short to be seen.
"""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import go_programs
import pytest
from motekit.stack.installation import DOCKER, TOKENS, Installation
from motesim.network.ports import free_port
from running_stack import RunningStack, eventually

pytestmark = pytest.mark.stack


class Database:
    """The database and its set-up on this machine, started by the scripts of the stack."""

    def __init__(self, folder: Path) -> None:
        self.installation = Installation(folder / "state")
        self.installation.make(["localhost"])
        self.data = self.installation.data / "influxdb"
        self.port = free_port()
        self._lines = folder / "command-lines"
        programs = folder / "programs"
        programs.mkdir()
        for name, engine in (("influxd", go_programs.INFLUXD), ("influx", go_programs.INFLUX)):
            kept = f'#!/bin/sh\nprintf "%s " "$0" "$@" >>{self._lines}\nexec {engine.path()} "$@"\n'
            (programs / name).write_text(kept)
            (programs / name).chmod(0o755)
        secrets = self.installation.secrets
        tokens = folder / "tokens"
        tokens.mkdir()
        for token in TOKENS:
            (tokens / token.partition("/")[0]).symlink_to(secrets / token)
        self._environment = os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "SECRETS": str(secrets / "influxdb"),
            "SETUP_PORT": str(free_port()),
            "TOKENS": str(tokens),
            "LOSSES": str(self.installation.losses),
            "INFLUXD_BOLT_PATH": str(self.data / "influxd.bolt"),
            "INFLUXD_ENGINE_PATH": str(self.data / "engine"),
            "INFLUXD_HTTP_BIND_ADDRESS": f"127.0.0.1:{self.port}",
            "INFLUXD_REPORTING_DISABLED": "true",
            "INFLUX_CONFIGS_PATH": str(folder / "influx-configs"),
            "INFLUX_HOST": f"http://127.0.0.1:{self.port}",
            "INFLUX_ORG": "mote",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["bash", DOCKER / "influxdb" / "start.sh"],
            env=self._environment,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        eventually(lambda: self.code("/health") == 200)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process:
            os.killpg(self._process.pid, how)
            self._process.wait()

    def setup(self) -> str:
        """Run the set-up as its container does, by a file of its own folder."""
        setup = ["sh", "setup.sh"]
        text = (DOCKER / "influxdb" / "setup.sh").read_text().replace("/setup/", "")
        done = subprocess.run(
            [*setup[:1], "-c", text],
            cwd=DOCKER / "influxdb",
            env=self._environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def code(self, path: str, token: str = "") -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        request.add_header("Authorization", f"Token {token}")
        try:
            return int(urllib.request.urlopen(request, timeout=30).status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def token(self, service: str) -> str:
        return (self.installation.secrets / service / "influxdb_token").read_text()

    def command_lines(self) -> str:
        return self._lines.read_text()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path)
    yield made
    made.stop(signal.SIGKILL)


def secrets_of(installation: Installation) -> dict[str, str]:
    """Each secret with its file; the words in files of options and accounts count one by one."""
    words = {
        word: str(path)
        for path in installation.secrets.rglob("*")
        if path.is_file()
        for word in path.read_text().replace(",", " ").split()
    }
    return {word: path for word, path in words.items() if len(word) > 15}


def test_the_database_is_set_up_without_a_secret_on_a_command_line(database: Database) -> None:
    database.start()
    assert "made a token: Telegraf writes" in database.setup()
    tokens = {
        service: database.token(service) for service in ("telegraf", "grafana", "last-values")
    }
    assert database.installation.losses.read_text() == "0\n"
    # A second time changes nothing; a token that is not good is made again.
    assert "made a token" not in database.setup()
    (database.installation.secrets / "grafana" / "influxdb_token").write_text(tokens["grafana"][:9])
    said = database.setup()
    assert "made a token: Grafana reads" in said and "Telegraf" not in said
    assert database.code("/api/v2/buckets", database.token("grafana")) == 200
    assert database.token("telegraf") == tokens["telegraf"]
    said = database.command_lines()
    assert said.count("/influx ") > 10 and "auth create" in said and "bucket list" in said
    for secret, path in secrets_of(database.installation).items():
        assert secret not in said, path


def test_the_first_start_makes_owner_bucket_and_token(database: Database) -> None:
    database.start()
    secrets = database.installation.secrets / "influxdb"
    operator = (secrets / "operator_token").read_text()
    request = urllib.request.Request(
        f"http://127.0.0.1:{database.port}/api/v2/buckets?name=sensors"
    )
    request.add_header("Authorization", f"Token {operator}")
    (bucket,) = json.load(urllib.request.urlopen(request))["buckets"]
    assert bucket["retentionRules"][0]["everySeconds"] == 7 * 24 * 3600
    assert database.code("/api/v2/buckets", "no token") == 401
    database.stop()
    database.start()
    assert database.code("/api/v2/buckets", operator) == 200


def test_a_first_start_that_was_cut_off_begins_anew(database: Database) -> None:
    """What it left is no database: it is taken away, and the set-up begins once more."""
    (database.data / "new").mkdir()
    (database.data / "new" / "influxd.bolt").write_text("half")
    (database.data / "engine").mkdir()
    (database.data / "influxd.sqlite").write_text("half")
    database.start()
    operator = (database.installation.secrets / "influxdb" / "operator_token").read_text()
    assert database.code("/api/v2/buckets", operator) == 200


def test_no_process_of_the_running_stack_shows_a_secret(stack: RunningStack) -> None:
    """All that runs is looked at while accounts are made and the database is set up once more."""
    watch = (
        "import glob, sys\n"
        "seen = set()\n"
        "print('ready', flush=True)\n"
        "while not select.select([sys.stdin], [], [], 0)[0]:\n"
        "    for path in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "        try: seen.add(open(path, 'rb').read())\n"
        "        except OSError: pass\n"
        "sys.stdout.write(repr(seen))\n"
    )
    watcher = subprocess.Popen(
        ["python3", "-c", f"import select\n{watch}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watcher.stdout
    watcher.stdout.readline()
    stack.compose("run", "--rm", "-T", "influxdb-setup")
    password = stack.passwords("in-the-open")["in-the-open"]
    # A service that has just been started anew is not healthy at once.
    eventually(lambda: stack.run("stack", "doctor", "--json").returncode == 0)
    seen, _ = watcher.communicate("end\n")
    assert "influx" in seen and "docker" in seen
    secrets = secrets_of(stack.installation) | {password: "the password of in-the-open"}
    for secret, path in secrets.items():
        assert secret not in seen, path
