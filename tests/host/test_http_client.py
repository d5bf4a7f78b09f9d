"""A proxy in the environment is for the internet, not for this computer.

The judges are the standard library's HTTP server and a proxy that notes what it is asked.
"""

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from motekit import http_client
from motekit.demo import portal_visitor


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer((host, 0), Answers)
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    with serving() as server:
        address = f"http://127.0.0.1:{server.server_port}"
        for name in ("http_proxy", "https_proxy", "ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, address)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        yield server.asked


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_computer_is_asked_directly(proxy: list[str], host: str) -> None:
    with serving() as server:
        url = f"http://{host}:{server.server_port}/page"
        with http_client.open_url(urllib.request.Request(url), 5) as answer:
            assert answer.read() == b"ok"
        with http_client.client(timeout=5) as client:
            assert client.get(url).text == "ok"
        assert server.asked == ["/page", "/page"] and not proxy


def test_the_internet_is_asked_through_the_proxy(proxy: list[str]) -> None:
    url = "http://images.example.org/file"
    with http_client.open_url(urllib.request.Request(url), 5) as answer:
        assert answer.read() == b"ok"
    with http_client.client(timeout=5) as client:
        assert client.get(url).text == "ok"
    assert proxy == [url, url]


def test_what_is_beside_us_is_never_asked_through_a_proxy(proxy: list[str]) -> None:
    with pytest.raises(OSError):
        http_client.open_url(urllib.request.Request("http://192.0.2.1:9/"), 0.2, direct=True)
    assert not proxy


def test_a_proxy_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", "nonsense://127.0.0.1:1")
    with pytest.raises(OSError, match=r"the proxy in the environment .* cannot be used"):
        http_client.client()


def test_the_demo_fills_in_its_portal_directly(proxy: list[str]) -> None:
    with serving() as server:
        url = f"http://127.0.0.1:{server.server_port}/"
        assert portal_visitor._open(url, deadline=0) == "ok"
    assert not proxy


def test_loopback_is_known_by_its_addresses() -> None:
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost", "hub.localhost"):
        assert http_client.is_this_computer(host)
    for host in ("192.168.1.1", "localhost.example.org", "hub.local", "", "128.0.0.1"):
        assert not http_client.is_this_computer(host)
