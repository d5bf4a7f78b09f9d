"""The stack as its users have it: started by `mote stack`, spoken to by MQTT, asked by InfluxQL."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import image_source
import paho.mqtt.client as mqtt
from motekit.stack.accounts import UNBOUND
from motekit.stack.installation import DOCKER, Installation
from motesim.network.ports import free_port
from paho.mqtt.enums import CallbackAPIVersion

# What has an image on this machine; with the published ones, that is everything.
CORE = ["mosquitto", "replay-gate", "refill", "influxdb", "influxdb-setup", "telegraf"]
# Of profile `full`, what is there without programs that take minutes to build.
VALUES = ["redis", "last-values", "fleet", "docker-guard"]
# A busy machine takes seconds to start a service; whoever waits has no reason to hurry.
PATIENCE_S = 240


class RunningStack:
    """One stack in folder `state`, on ports of its own, with `services` of `profile`."""

    def __init__(self, state: Path, services: list[str] = CORE, profile: str = "core") -> None:
        self.installation = Installation(state)
        self.port, self.tls_port, self.http_port, self.https_port, self.grafana_port = [
            free_port() for _ in range(5)
        ]
        self._ports = {
            "MOTE_MQTT_PORT": self.port,
            "MOTE_MQTT_TLS_PORT": self.tls_port,
            "MOTE_HTTPS_PORT": self.https_port,
            "MOTE_HTTP_PORT": self.http_port,
            "MOTE_GRAFANA_PORT": self.grafana_port,
        }
        self.profile = profile
        self.services = [] if image_source.all_published() else services
        self.environment = os.environ | {
            "MOTE_STATE": str(self.installation.state),
            "COMPOSE_PROJECT_NAME": f"mote-test-{os.getpid()}-{self.port}",
            "COMPOSE_PROFILES": profile,
        }
        if self.services:
            self.environment |= image_source.tags()
        self._passwords: dict[str, str] = {}
        self._clients: dict[str, mqtt.Client] = {}

    def start(self) -> None:
        """`mote stack init` with our ports, then `mote stack up`."""
        self.mote("init", "--name", "localhost", "--name", "127.0.0.1")
        self.set_ports()
        self.mote("up", "--profile", self.profile, *self.services)

    def set_ports(self) -> None:
        """Ports of our own, so that several stacks run side by side."""
        self.set(**self._ports)

    def set(self, **changes: object) -> None:
        """Change settings of the installation, as a person would."""
        settings = self.installation.settings_file
        text = settings.read_text()
        for key, value in changes.items():
            text = re.sub(rf"^{key}=.*$", f"{key}={value}", text, flags=re.M)
        settings.write_text(text)

    def stop(self) -> None:
        self.mote("down")

    def mote(self, *arguments: str) -> str:
        """Run `mote stack …`; its standard output."""
        done = self.run("stack", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def mote_fails(self, *arguments: str) -> str:
        """Run `mote stack …`, which ends with 1; what it says of it, in one line."""
        done = self.run("stack", *arguments)
        assert done.returncode == 1, done.stdout + done.stderr
        return " ".join(done.stderr.split())

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `mote …`, which knows of this stack."""
        command = [Path(sys.executable).with_name("mote"), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True)

    def only(self) -> list[str]:
        """The services of `start`, as options."""
        return [part for service in self.services for part in ("--only", service)]

    def compose(self, *arguments: str) -> str:
        """Run `docker compose …` as `mote stack` runs it; its standard output."""
        command = ["docker", "compose", *arguments]
        done = subprocess.run(
            command, cwd=DOCKER, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def inside(self, service: str, script: str) -> str:
        """What a shell script prints in a running service, errors too, however it ends."""
        command = ["docker", "compose", "exec", "-T", service, "sh", "-c", f"({script}) 2>&1; :"]
        done = subprocess.run(
            command, cwd=DOCKER, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def client(self, user: str, password: str | None = None) -> mqtt.Client:
        """An MQTT client, connected as `user` and running; a device's login unless told.

        That of a device takes the place of its earlier one.
        """
        if password is None:
            password = self.passwords(user)[user]
        if earlier := self._clients.pop(user, None):
            earlier.disconnect()
            earlier.loop_stop()
        # A device's client id is its name; services and people are free to choose.
        client_id = "" if user in UNBOUND else user
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        client.username_pw_set(user, password)
        client.reconnect_delay_set(1, 1)
        client.max_inflight_messages_set(500)
        # The broker restarts when it gets a new account: the first attempts may be too early.
        client.connect_timeout = PATIENCE_S
        client.connect_async("127.0.0.1", self.port)
        client.loop_start()
        eventually(client.is_connected)
        if client_id:
            self._clients[user] = client
        return client

    def passwords(self, *devices: str) -> dict[str, str]:
        """The passwords of devices; accounts are made for those that have none."""
        new = [device for device in devices if device not in self._passwords]
        if new:
            answer = json.loads(self.mote("add", *new, "--json"))
            self._passwords |= {login["user"]: login["password"] for login in answer}
        return {device: self._passwords[device] for device in devices}

    def rows(self, query: str, database: str = "sensors") -> list[dict[str, Any]]:
        """The rows of an InfluxQL query, tags among them, asked with the token that Grafana has."""
        result = self.ask("grafana/influxdb_token", query, database)
        assert "error" not in result, f"{query}: {result['error']}"
        return [
            dict(zip(series["columns"], row, strict=True)) | series.get("tags", {})
            for series in result.get("series", [])
            for row in series["values"]
        ]

    def ask(self, secret: str, query: str, database: str = "sensors") -> dict[str, Any]:
        """The first result of an InfluxQL query, asked with the token in file `secret`."""
        question = urllib.parse.urlencode({"db": database, "q": query, "epoch": "ns"})
        code, text = self.http(secret, f"/query?{question}")
        assert code == 200, text
        return json.loads(text)["results"][0]

    def http(
        self, secret: str, path: str, method: str = "GET", body: str | None = None
    ) -> tuple[int, str]:
        """Code and text of the database's answer to a request with the token in file `secret`.

        While it is being started again, it is asked again.
        """
        token = (self.installation.secrets / secret).read_text()

        def answered() -> tuple[int, str] | None:
            request = urllib.request.Request(
                f"http://{self.address('influxdb')}:8086{path}",
                method=method,
                data=body.encode() if body else None,
                headers={"Authorization": f"Token {token}"},
            )
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()
            except (OSError, http.client.HTTPException):
                return None

        return eventually(answered)

    def address(self, service: str) -> str:
        """Where a service is reached from this machine; no port of the host leads to it.

        While it is being started again it has no address: that is waited for.
        """
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"

        def found() -> list[str]:
            container = self.compose("ps", "--quiet", service).strip()
            command = ["docker", "inspect", "--format", form, container]
            return subprocess.run(command, capture_output=True, text=True).stdout.split()

        return eventually(found)[0]

    def kill(self, service: str) -> None:
        """`kill -9` of a service, from outside; Docker starts it again."""
        container = eventually(lambda: self.compose("ps", "--quiet", service).strip())
        form = ["docker", "inspect", "--format", "{{.State.Pid}} {{.RestartCount}}", container]

        def at_work() -> list[str]:
            found = subprocess.run(form, capture_output=True, text=True).stdout.split()
            # Between two starts it has no process; 0 would be all of ours.
            return found if found and found[0] != "0" else []

        before, count = eventually(at_work)
        os.kill(int(before), signal.SIGKILL)

        def again() -> bool:
            found = subprocess.run(form, capture_output=True, text=True).stdout.split()
            return found[0] not in (before, "0") and found[1] != count

        eventually(again)


def eventually(true: Callable[[], Any], seconds: float = PATIENCE_S, pause_s: float = 0.2) -> Any:
    """Wait until `true` gives something, and return that."""
    until = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < until, f"not within {seconds} s: {true}"
        time.sleep(pause_s)
    return found
