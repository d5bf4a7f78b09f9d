"""The last values over HTTP: JSON for people and for `mote devices --stack`."""

import json
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from motekit.values.shelf import Shelf, ShelfError

PATH = "/redis"
HEALTH = "/health"


class Page(ThreadingHTTPServer):
    """Answers `/redis` with all devices, `/redis/<id>` with one, and the health check."""

    daemon_threads = True

    def __init__(self, shelf: Shelf, healthy: Callable[[], bool], port: int = 8000) -> None:
        super().__init__(("", port), _Handler)
        self.shelf = shelf
        self.healthy = healthy

    def answer(self, path: str) -> tuple[HTTPStatus, object]:
        """Status and content for a path."""
        if path == HEALTH:
            healthy = self.healthy()
            status = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
            return status, {"healthy": healthy}
        room, _, device = path.removeprefix("/").rstrip("/").partition("/")
        if f"/{room}" != PATH:
            return HTTPStatus.NOT_FOUND, {"error": f"all devices are at {PATH}"}
        try:
            found = self.shelf.everything()
        except ShelfError as error:
            return HTTPStatus.SERVICE_UNAVAILABLE, {"error": str(error)}
        if not device:
            return HTTPStatus.OK, found
        one = [entry for entry in found if entry["id"] == device]
        if not one:
            return HTTPStatus.NOT_FOUND, {"error": f"nothing was ever heard of {device}"}
        return HTTPStatus.OK, one[0]


class _Handler(BaseHTTPRequestHandler):
    server: Page
    server_version = "mote"
    sys_version = ""
    # Who sends nothing does not keep a thread.
    timeout = 10

    def do_GET(self) -> None:
        status, content = self.server.answer(self.path.partition("?")[0])
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_details: object) -> None:
        """Requests are in the log of the door."""
