"""Requests of pages of somebody else: DNS rebinding, foreign origins, frames. Raw HTTP here;
Chromium tries the same in tests/e2e/test_dashboard_is_guarded.py."""

import http.client
import socket

import pytest
from hub_with_dashboard import WAIT_S, with_dashboard
from motekit.hub import Hub

PATHS = ("/", "/api/devices", "/api/pages/overview", "/device/plant1", "/nothing", "/login")
OWN = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    "LOCALHOST",
    "localhost.",
    "192.0.2.7",
    socket.gethostname(),
]
FOREIGN = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example:8080",
    "",
    "[::1",
    "a b",
    "127.0.0.1@evil.example",
    "user@evil.example",
    "127.1",
    "2130706433",
]
FOREIGN_ORIGINS = ["http://evil.example", "null", "https://127.0.0.1:1", "file://", "http://[::1"]


def ask(hub: Hub, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", hub.http_port or 0, timeout=WAIT_S)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    if answer.status != 101:
        answer.text = answer.read().decode()
    connection.close()
    return answer


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_dashboard_answers_to_its_own_names_only(tmp_path, host) -> None:
    def story(hub: Hub) -> None:
        for name in OWN:
            for port in ("", f":{hub.http_port}", ":9000"):
                answer = ask(hub, "/api/devices", Host=name + port)
                assert answer.status == (200 if host == "127.0.0.1" else 401), (name, answer.text)
        for name in FOREIGN:
            for path in PATHS:
                refused = ask(hub, path, Host=name)
                # A server may refuse what is no host at all before it asks us.
                assert refused.status in (400, 421), (name, path, refused.status)
                assert "plant" not in refused.text
        told = ask(hub, "/", Host="evil.example")
        assert told.status == 421 and "--allowed-host" in told.text

    with_dashboard(tmp_path, story, host=host)


def test_a_name_can_be_allowed(tmp_path) -> None:
    from clients import with_hub

    hub = Hub(tmp_path, mqtt_port=0, http_port=0, allowed_hosts=["Hub.Example"])

    def story() -> None:
        assert ask(hub, "/api/devices", Host="hub.example:443").status == 200
        assert ask(hub, "/api/devices", Host="x.hub.example").status == 421

    with_hub(hub, story)


def test_a_page_of_somebody_else_gets_nothing(tmp_path) -> None:
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    websocket = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    polling = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"

    def story(hub: Hub) -> None:
        own = f"127.0.0.1:{hub.http_port}"
        for origin in FOREIGN_ORIGINS:
            for path in (*PATHS, polling):
                for method in ("GET", "POST"):
                    refused = ask(hub, path, method, Origin=origin)
                    assert refused.status == 403, (path, origin)
                    assert refused.getheader("Access-Control-Allow-Origin") is None
            assert ask(hub, websocket, Origin=origin, **upgrade).status == 403, origin
        assert ask(hub, "/api/devices", Origin=f"http://{own}").status == 200
        assert ask(hub, websocket, Origin=f"http://{own}", **upgrade).status == 101
        assert ask(hub, polling, Origin=f"http://{own}").status == 200

    with_dashboard(tmp_path, story)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_every_answer_tells_browsers_what_a_page_may_do(tmp_path, host) -> None:
    def story(hub: Hub) -> None:
        policies = set()
        for path in (*PATHS, "/_nicegui/x", "/ca.crt"):
            answer = ask(hub, path)
            found = {name.lower(): value for name, value in answer.getheaders()}
            assert found["x-frame-options"] == "DENY", path
            assert found["x-content-type-options"] == "nosniff"
            assert found["referrer-policy"] == "same-origin"
            policy = found["content-security-policy"]
            rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
            assert rules["frame-ancestors"] == rules["base-uri"] == rules["object-src"] == "'none'"
            assert rules["default-src"] == rules["form-action"] == "'self'"
            assert "unsafe-inline" not in rules["script-src"] and "*" not in policy
            policies.add(policy)
        assert len(policies) == len(PATHS) + 2, "a nonce is used once"

    with_dashboard(tmp_path, story, host=host)
