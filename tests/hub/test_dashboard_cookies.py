"""Cookies of other programs on the same host: they lock nobody out and break nothing."""

import http.client
import re
from urllib.parse import quote

import pytest
from hub_with_dashboard import with_dashboard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

PAGES = ("/", "/device/plant1", "/api/devices", "/api/pages/overview")
FOREIGN = [
    b'theme={"m":"d"}',
    b"a@b.c=1",
    b"=; ;;=;",
    b'x="unclosed',
    b"\xe9\xff\x80=\xfe",
    b"mote=1; mote_1=2; Path=/; $Version=1",
    b"; ".join(b"c%d=%s" % (n, b"v" * 4000) for n in range(150)),
]


def request(
    port: int,
    path: str,
    cookie: bytes = b"",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
):
    """Status and headers, with a Cookie header that http.client would not write."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.putrequest("POST" if body else "GET", path)
        if cookie:
            connection.putheader("Cookie", cookie)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        if answer.status != 101:
            answer.read()
        return answer.status, answer.headers
    finally:
        connection.close()


def log_in(hub) -> bytes:
    """The cookie of a login, as it is sent back."""
    body = f"password={quote(hub.accounts.owner_password)}".encode()
    status, headers = request(hub.http_port, "/login", body=body)
    assert status == 303
    found = re.match(r"[^;]+", headers["set-cookie"])
    assert found
    return found[0].encode()


def test_who_is_logged_in_stays_so_beside_any_cookies(tmp_path) -> None:
    def story(hub) -> None:
        own = log_in(hub)
        for foreign in FOREIGN:
            for cookie in (b"%s; %s" % (foreign, own), b"%s; %s" % (own, foreign)):
                for path in PAGES:
                    assert request(hub.http_port, path, cookie)[0] == 200, (path, cookie[:60])
            for path in PAGES:
                refused = 401 if path.startswith("/api") else 303
                assert request(hub.http_port, path, foreign)[0] == refused, (path, foreign[:60])

    with_dashboard(tmp_path, story, host="0.0.0.0")


def test_websockets_open_beside_any_cookies(tmp_path) -> None:
    path = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }

    def story(hub) -> None:
        own = log_in(hub)
        for foreign in FOREIGN:
            cookie = b"%s; %s" % (foreign, own)
            status, headers = request(hub.http_port, path, cookie, headers=upgrade)
            assert status == 101, (status, foreign[:60])
            # RFC 6455, section 1.3.
            assert headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
            assert request(hub.http_port, path, foreign, headers=upgrade)[0] in (401, 403)

    with_dashboard(tmp_path, story, host="0.0.0.0")


# What a server may get: any bytes but the end of the line.
BYTES = st.binary(max_size=60).map(lambda raw: re.sub(rb"[\x00\r\n]", b"", raw).strip())


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_no_bytes_in_a_cookie_header_give_an_error(tmp_path, host) -> None:
    def story(hub) -> None:
        own = log_in(hub) if host == "0.0.0.0" else b""

        @settings(max_examples=150, suppress_health_check=list(HealthCheck))
        @given(BYTES, BYTES)
        @example(b'theme={"m":"d"}', b"a@b.c=1")
        def ask(before, after) -> None:
            cookie = b"%s;%s;%s" % (before, own, after)
            # A server may refuse control characters (RFC 9110, section 5.5).
            controls = re.search(rb"[\x01-\x08\x0b-\x1f\x7f]", cookie)
            for path in ("/", "/api/devices"):
                status = request(hub.http_port, path, cookie)[0]
                assert status == 200 or (controls and status == 400), (status, cookie)

        ask()

    with_dashboard(tmp_path, story, host=host)


def test_a_program_logs_in_with_basic_authentication(tmp_path) -> None:
    from base64 import b64encode

    from hub_with_dashboard import get

    def story(hub) -> None:
        def status(user: str, password: str) -> int:
            basic = b64encode(f"{user}:{password}".encode()).decode()
            return get(hub, "api/devices", Authorization=f"Basic {basic}")[0]

        password = hub.accounts.owner_password
        device = hub.accounts.add("plant1")
        assert status("owner", password) == 200
        assert status("owner", password + "x") == 401
        assert status("plant1", device) == 401
        assert status("plant1", password) == 401
        assert get(hub, "api/devices", Authorization="Basic \xff")[0] == 401
        assert get(hub, "api/devices", Authorization="Basic")[0] == 401
        assert get(hub, "api/devices", Authorization="Bearer " + password)[0] == 401
        assert "Basic" in get(hub, "api/devices")[1]["www-authenticate"]
        # An open page of whom is no longer logged in leads to the login; no window pops up.
        status_of_page, headers, _ = get(hub, "api/pages/overview")
        assert status_of_page == 401 and "www-authenticate" not in headers

    with_dashboard(tmp_path, story, host="0.0.0.0")
