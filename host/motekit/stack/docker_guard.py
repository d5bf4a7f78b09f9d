"""Show the logs of one Compose project to its log shipper, and nothing else that Docker knows.

`python -m motekit.stack.docker_guard` runs in its container as the only holder of Docker's socket,
whose holder can do anything on the machine. Of the Docker Engine API it answers four questions:
which containers the project has, on which networks, how each of them is, and what it logs. Each
question to Docker is written here, never passed on, so that a crafted request reaches nothing else.
Of an answer it passes on what a log shipper needs: no environment, command line or mount.
"""

import json
import logging
import os
import re
import select
import socket
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

LOGGER = logging.getLogger(__name__)
PORT = 2375
SOCKET = "/var/run/docker.sock"
PROJECT_LABEL = "com.docker.compose.project"
# Only services whose logs are kept have it (docker/compose.common.yaml).
LOGS_LABEL = "mote.logs"
_LABELS = (PROJECT_LABEL, "com.docker.compose.service", LOGS_LABEL)
_PATH = re.compile(
    r"(?P<version>/v1\.[0-9]{1,3})?/(?P<what>_ping|networks|containers/json"
    r"|containers/(?P<id>[0-9a-f]{12,64})/(?P<part>json|logs))"
)
# What a log shipper may choose; `details` would bring the environment into the log.
_LOG_OPTIONS = ("follow", "stdout", "stderr", "since", "until", "timestamps", "tail")
# Numbers, times and truth values.
_OPTION = re.compile(r"[A-Za-z0-9.:+-]{0,40}")
_LISTED = (
    *("Id", "Names", "Image", "ImageID", "Created", "State", "Status", "Ports"),
    *("NetworkSettings", "HostConfig"),
)
_INSPECTED = ("Id", "Name", "Image", "Created", "State", "NetworkSettings")
_NETWORK = ("Id", "Name", "Scope", "Driver", "Internal", "Ingress")
_ANSWER_MAX = 16 * 2**20
_HEAD_MAX = 2**16
_TIMEOUT_S = 30.0


class GuardError(Exception):
    """Nothing is shown; `status` and the text are the answer."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Answer:
    """An answer of Docker: its body is what `rest` has and then comes out of `connection`."""

    status: int
    headers: dict[str, str]
    rest: bytes
    connection: socket.socket

    def body(self) -> bytes:
        """Return the whole body. Raises GuardError when it is too long."""
        parts, size = [self.rest], len(self.rest)
        with self.connection:
            while part := self.connection.recv(65536):
                parts.append(part)
                size += len(part)
                if size > _ANSWER_MAX:
                    raise GuardError(HTTPStatus.BAD_GATEWAY, "Docker's answer is too long")
        return b"".join(parts)


class Docker:
    """The containers of `project` that log, as Docker's socket at `path` shows them."""

    def __init__(self, path: str, project: str) -> None:
        self._path = path
        self._project = project

    def ping(self) -> dict[str, str]:
        """Return the version of Docker's interface, as a header. Raises GuardError."""
        answer = self._ask("/_ping")
        answer.body()
        return {"Api-Version": answer.headers.get("api-version", "")}

    def containers(self, version: str, options: dict[str, str]) -> list[dict[str, Any]]:
        """Return the containers, without what they are started with. Raises GuardError."""
        filters = {"label": [f"{PROJECT_LABEL}={self._project}", f"{LOGS_LABEL}=yes"]}
        query = {"filters": json.dumps(filters)}
        query |= {key: value for key, value in options.items() if key == "all"}
        found = self._json(f"{version}/containers/json?{urlencode(query)}")
        return [self._listed(one) for one in found if self._is_ours(one["Labels"])]

    def networks(self, version: str) -> list[dict[str, Any]]:
        """Return the networks of the project. Raises GuardError."""
        filters = json.dumps({"label": [f"{PROJECT_LABEL}={self._project}"]})
        found = self._json(f"{version}/networks?{urlencode({'filters': filters})}")
        ours = [one for one in found if (one["Labels"] or {}).get(PROJECT_LABEL) == self._project]
        return [_only(one, _NETWORK) | {"Labels": _labels(one["Labels"])} for one in ours]

    def inspect(self, version: str, container: str) -> dict[str, Any]:
        """Return how a container is. Raises GuardError for one of somebody else."""
        found = self._json(f"{version}/containers/{container}/json")
        config = found["Config"]
        if not self._is_ours(config["Labels"]):
            raise GuardError(HTTPStatus.NOT_FOUND, f"No such container: {container}")
        shown = {
            "Tty": config["Tty"],
            "Image": config["Image"],
            "Labels": _labels(config["Labels"]),
        }
        mode = {"NetworkMode": found["HostConfig"]["NetworkMode"]}
        return _only(found, _INSPECTED) | {"Config": shown, "HostConfig": mode}

    def logs(self, version: str, container: str, options: dict[str, str]) -> Answer:
        """Return the log of a container, as it comes. Raises GuardError."""
        # By its whole id: what begins with these digits could be another one meanwhile.
        whole = self.inspect(version, container)["Id"]
        query = {key: value for key, value in options.items() if key in _LOG_OPTIONS}
        if not all(_OPTION.fullmatch(value) for value in query.values()):
            raise GuardError(HTTPStatus.BAD_REQUEST, "an option of the log is malformed")
        return self._ask(f"{version}/containers/{whole}/logs?{urlencode(query)}")

    def _is_ours(self, labels: dict[str, str] | None) -> bool:
        labels = labels or {}
        return labels.get(PROJECT_LABEL) == self._project and labels.get(LOGS_LABEL) == "yes"

    @staticmethod
    def _listed(found: dict[str, Any]) -> dict[str, Any]:
        return _only(found, _LISTED) | {"Labels": _labels(found["Labels"])}

    def _json(self, path: str) -> Any:
        answer = self._ask(path)
        content = answer.body()
        try:
            return json.loads(content)
        except ValueError as error:
            raise GuardError(HTTPStatus.BAD_GATEWAY, "Docker's answer is no JSON") from error

    def _ask(self, path: str) -> Answer:
        """Ask Docker by HTTP/1.0, whose answer ends with the connection and has no chunks."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(self._path)
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode("ascii"))
            head = b""
            while b"\r\n\r\n" not in head and len(head) < _HEAD_MAX:
                part = connection.recv(65536)
                if not part:
                    raise OSError("the connection ended")
                head += part
        except OSError as error:
            connection.close()
            raise GuardError(HTTPStatus.BAD_GATEWAY, f"Docker does not answer: {error}") from error
        head, _, rest = head.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {key.lower(): value.strip() for key, _, value in pairs}
        status = int(first.split()[1])
        answer = Answer(status, headers, rest, connection)
        if status != HTTPStatus.OK:
            connection.close()
            known = (
                HTTPStatus.NOT_FOUND if status == HTTPStatus.NOT_FOUND else HTTPStatus.BAD_GATEWAY
            )
            raise GuardError(known, f"Docker answers {status}")
        return answer


def _only(found: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: found[key] for key in keys if key in found}


def _labels(labels: dict[str, str]) -> dict[str, str]:
    return _only(labels, _LABELS)


class Guard(ThreadingHTTPServer):
    """Answer log shippers on `address` with what `docker` shows."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], docker: Docker) -> None:
        super().__init__(address, _Handler)
        self.docker = docker


class _Handler(BaseHTTPRequestHandler):
    server: Guard
    server_version = "mote"
    sys_version = ""
    timeout = _TIMEOUT_S

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        asked = urlsplit(self.path)
        found = _PATH.fullmatch(asked.path)
        options = {key: values[-1] for key, values in parse_qs(asked.query).items()}
        docker, headers = self.server.docker, {}
        try:
            if not found or not (body or found["what"] == "_ping"):
                raise GuardError(HTTPStatus.FORBIDDEN, "only this stack's logs are shown")
            version, container = found["version"] or "", found["id"]
            shown: Any
            if found["what"] == "_ping":
                headers, shown = docker.ping(), "OK"
            elif found["what"] == "networks":
                shown = docker.networks(version)
            elif container is None:
                shown = docker.containers(version, options)
            elif found["part"] == "json":
                shown = docker.inspect(version, container)
            else:
                self._stream(docker.logs(version, container, options))
                return
        except GuardError as error:
            self._send(error.status, {"message": str(error)}, {}, body)
        else:
            self._send(HTTPStatus.OK, shown, headers, body)

    def _send(self, status: HTTPStatus, content: Any, headers: dict[str, str], body: bool) -> None:
        data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        kind = "text/plain" if isinstance(content, str) else "application/json"
        for key, value in (
            {"Content-Type": kind, "Content-Length": str(len(data))} | headers
        ).items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def _stream(self, answer: Answer) -> None:
        """Send a log until it ends, or nobody listens any more."""
        with answer.connection as source:
            self.send_response(HTTPStatus.OK)
            for key in ("content-type", "api-version"):
                if key in answer.headers:
                    self.send_header(key.title(), answer.headers[key])
            self.end_headers()
            self.wfile.write(answer.rest)
            while True:
                ready, _, _ = select.select([source, self.connection], [], [])
                # A client says nothing more: it is gone.
                if self.connection in ready or not (part := source.recv(65536)):
                    return
                self.connection.sendall(part)

    def log_request(self, *_details: object) -> None:
        """What is asked all the time is in no log."""


def main() -> None:
    """Serve until killed. Raises SystemExit when no project is named."""
    project = os.environ.get("MOTE_PROJECT", "")
    if not project:
        raise SystemExit("MOTE_PROJECT is empty: the guard would show every container")
    path = os.environ.get("MOTE_DOCKER_SOCKET", SOCKET)
    guard = Guard(("", PORT), Docker(path, project))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    LOGGER.info("the logs of project %s are shown", project)
    guard.serve_forever()


if __name__ == "__main__":
    main()
