"""Profile `full` with its heavy engines: every edge that Traefik and Loki are part of.

`make engines ONLY=soak` builds Traefik, Loki, Promtail and Alloy, half an hour on two cores; so
does this part where they are missing.
"""

import json
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from running_stack import RunningStack

NAMES = ("stack_full_edges",)
ENGINES = ("test", "traefik", "loki", "promtail", "alloy")
# Images that are published only (Grafana, MQTTX) are tested where they can be pulled.
HEAVY = ["traefik", "loki", "log-shipper"]
LOGGING = {"docker-guard", "fleet", "influxdb", "log-shipper", "mosquitto", "redis", "telegraf"}


def run(figure: Callable[[str, float, str], None]) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "stack"))
    import local_images
    from measuring import fresh_stack
    from running_stack import CORE, VALUES

    passed = 0
    with fresh_stack([*CORE, *VALUES, *HEAVY], "full", local_images.HEAVY) as stack:
        for edge in EDGES:
            edge(stack)
            passed += 1
            print(f"# edge: {edge.__doc__}", flush=True)
    figure("stack_full_edges", passed, "edges")


def http_leads_to_https(stack: "RunningStack") -> None:
    """who comes without TLS is sent to HTTPS"""
    answer, where, _ = ask(stack, "/redis", door=f"http://localhost:{stack.http_port}")
    assert answer in (301, 302, 307, 308), answer
    assert where == f"https://localhost:{stack.https_port}/redis", where


def the_certificate_is_ours(stack: "RunningStack") -> None:
    """the door proves itself by our own authority"""
    assert ask(stack, "/traefik/dashboard/")[0] == 401
    try:
        urllib.request.urlopen(f"https://localhost:{stack.https_port}/", timeout=10)
    except urllib.error.URLError as error:
        assert isinstance(error.reason, ssl.SSLCertVerificationError), error
    else:
        raise AssertionError("a stranger's authority was enough")


def pages_want_the_login(stack: "RunningStack") -> None:
    """every page without a login of its own asks for ours"""
    for path in ("/traefik/api/rawdata", "/redis", "/redis/x", "/loki/api/v1/labels"):
        assert ask(stack, path)[0] == 401, path
        assert ask(stack, path, password="wrong")[0] == 401, path


def only_the_routes_of_the_file_are_there(stack: "RunningStack") -> None:
    """Traefik has the routes of its file, and asks nobody for more"""
    found = json.loads(asked(stack, "/traefik/api/rawdata"))
    routes = {
        name.removesuffix("@file"): route["rule"]
        for name, route in found["routers"].items()
        if not name.endswith("@internal")
    }
    expected = {
        "grafana": "PathPrefix(`/grafana`)",
        "mqttx": "PathPrefix(`/mqttx`)",
        "root": "PathPrefix(`/`)",
        "mqtt": "Path(`/mqtt`)",
        "redis": "PathPrefix(`/redis`)",
        "loki": "PathPrefix(`/loki`)",
        "traefik": "PathPrefix(`/traefik`)",
    }
    assert routes == expected, routes
    assert not [one for one in found["routers"].values() if one["status"] != "enabled"]
    # Where no MQTTX runs there is nothing behind the root.
    assert ask(stack, "/telegraf", password=web(stack))[0] in (404, 200, 502)


def last_values_at_redis(stack: "RunningStack") -> None:
    """board → broker → last values → Redis → Traefik → `mote devices --stack`"""
    from running_stack import eventually

    client = stack.client("through")
    client.publish("sensors/through/temperature", "19.5", qos=1).wait_for_publish(30)

    def shown() -> bool:
        told = stack.run("devices", "--stack", "--json").stdout or "[]"
        mine = [one for one in json.loads(told) if one["id"] == "through"]
        return bool(mine) and mine[0]["readings"]["temperature"]["value"] == 19.5

    eventually(shown)


def mqtt_over_websockets(stack: "RunningStack") -> None:
    """browser → Traefik → broker: MQTT over a websocket, with the broker's own login"""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion
    from running_stack import eventually

    heard: list[bytes] = []
    browser = mqtt.Client(CallbackAPIVersion.VERSION2, transport="websockets")
    browser.ws_set_options(path="/mqtt")
    browser.tls_set(str(stack.installation.authority / "ca.crt"))
    browser.username_pw_set("owner", stack.installation.secret("mqtt"))
    browser.on_message = lambda _client, _data, message: heard.append(message.payload)
    browser.on_connect = lambda client, *_details: client.subscribe("sensors/through/#")
    # The broker has restarted for a new account: its route comes back when it is healthy.
    browser.connect_async("localhost", stack.https_port)
    browser.loop_start()
    device = stack.client("through")

    def again() -> list[bytes]:
        device.publish("sensors/through/humidity", "50", qos=1)
        return heard

    eventually(again)
    browser.disconnect()
    browser.loop_stop()
    nobody = mqtt.Client(CallbackAPIVersion.VERSION2, transport="websockets")
    nobody.ws_set_options(path="/mqtt")
    nobody.tls_set(str(stack.installation.authority / "ca.crt"))
    codes: list[str] = []
    nobody.on_connect = lambda _client, _data, _flags, code, _more: codes.append(str(code))
    nobody.connect_async("localhost", stack.https_port)
    nobody.loop_start()
    eventually(lambda: codes)
    nobody.loop_stop()
    assert codes[0] == "Not authorized", codes


def logs_of_every_service(stack: "RunningStack") -> None:
    """Docker → guard → Promtail → Loki → Traefik: what services say is found, by service"""
    from running_stack import eventually

    def services() -> set[str]:
        return set(json.loads(asked(stack, "/loki/api/v1/label/service/values")).get("data", []))

    eventually(lambda: services() >= LOGGING, 120)


def logs_survive(stack: "RunningStack") -> None:
    """Loki and Promtail killed: no line is lost, and new ones come"""
    from running_stack import eventually

    counts = []
    for number, service in enumerate(("loki", "log-shipper")):
        stack.kill(service)
        client = stack.client(f"logged-{number}")
        eventually(lambda n=number: lines(stack, "mosquitto", f"logged-{n}"), 180)
        client.disconnect()
        counts.append(len(lines(stack, "mosquitto", "logged-0")))
    assert counts[1] >= counts[0] > 0, counts


def panels_of_logs_bring_rows(stack: "RunningStack") -> None:
    """Loki → Grafana: the query of the panel brings lines"""
    from motekit.stack.installation import DOCKER

    dashboard = json.loads((DOCKER / "grafana" / "full" / "live.json").read_text())
    queries = [
        target["expr"]
        for panel in dashboard["panels"]
        for target in panel["targets"]
        if target["datasource"]["type"] == "loki"
    ]
    assert queries
    for query in queries:
        assert found(stack, query), query


def alloy_takes_over(stack: "RunningStack") -> None:
    """Docker → guard → Alloy → Loki: by Promtail's file, with its labels; killed, it goes on"""
    from running_stack import eventually

    before = streams(stack, "mosquitto")
    stack.set(MOTE_LOG_SHIPPER="alloy")
    try:
        stack.mote("up", "log-shipper")
        check = "alloy validate --config.format=promtail /etc/promtail/promtail.yaml && echo valid"
        assert stack.inside("log-shipper", check).strip() == "valid"
        for name in ("by-alloy", "after-its-end"):
            client = stack.client(name)
            eventually(lambda n=name: lines(stack, "mosquitto", n), 180)
            client.disconnect()
            stack.kill("log-shipper")
        assert streams(stack, "mosquitto") == before
    finally:
        stack.set(MOTE_LOG_SHIPPER="promtail")
        stack.mote("up", "log-shipper")


def the_door_comes_back(stack: "RunningStack") -> None:
    """Traefik killed: its routes are there again"""
    from running_stack import eventually

    stack.kill("traefik")
    eventually(lambda: ask(stack, "/redis", password=web(stack))[0] == 200)


def letsencrypt_by_settings(stack: "RunningStack") -> None:
    """with Let's Encrypt chosen, the routes ask it for the domain; the stack's port answers on"""
    domain = "mote.example.org"
    stack.set(MOTE_WEB_CERTIFICATE="letsencrypt", MOTE_DOMAIN=domain, MOTE_ACME_EMAIL="a@b.example")
    try:
        stack.mote("up", "traefik")
        routes = json.loads(asked(stack, "/traefik/api/rawdata"))["routers"]
        tls = routes["redis@file"]["tls"]
        assert tls["certResolver"] == "letsencrypt", tls
        assert tls["domains"] == [{"main": domain}], tls
    finally:
        stack.set(MOTE_WEB_CERTIFICATE="local")
        stack.mote("up", "traefik")


EDGES = (
    the_certificate_is_ours,
    http_leads_to_https,
    pages_want_the_login,
    only_the_routes_of_the_file_are_there,
    last_values_at_redis,
    mqtt_over_websockets,
    logs_of_every_service,
    logs_survive,
    panels_of_logs_bring_rows,
    alloy_takes_over,
    the_door_comes_back,
    letsencrypt_by_settings,
)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_details: Any) -> None:
        return None


def ask(
    stack: "RunningStack", path: str, password: str = "", door: str = ""
) -> tuple[int, str, str]:
    """Code, where it is sent on to, and text of what the door answers; 0 where it does not."""
    trust = ssl.create_default_context(cafile=stack.installation.authority / "ca.crt")
    opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=trust))
    request = urllib.request.Request(f"{door or f'https://localhost:{stack.https_port}'}{path}")
    if password:
        request.add_header(
            "Authorization", f"Basic {b64encode(f'owner:{password}'.encode()).decode()}"
        )
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, "", answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Location", ""), error.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return 0, "", ""


def web(stack: "RunningStack") -> str:
    return stack.installation.secret("web")


def asked(stack: "RunningStack", path: str) -> str:
    """What the door answers to its owner, as soon as it does."""
    from running_stack import eventually

    answers: list[str] = []

    def answered() -> bool:
        code, _, text = ask(stack, path, password=web(stack))
        answers.append(text)
        return code == 200

    eventually(answered)
    return answers[-1]


def found(stack: "RunningStack", query: str) -> list[str]:
    """The lines that a LogQL query brings."""
    wanted = urllib.parse.urlencode({"query": query, "limit": 1000, "since": "1h"})
    told = json.loads(asked(stack, f"/loki/api/v1/query_range?{wanted}"))
    return [line for stream in told["data"]["result"] for _, line in stream["values"]]


def streams(stack: "RunningStack", service: str) -> list[dict[str, str]]:
    """The streams of logs that a service has, each with all of its labels."""
    wanted = urllib.parse.urlencode({"match[]": f'{{service="{service}"}}', "since": "1h"})
    return json.loads(asked(stack, f"/loki/api/v1/series?{wanted}"))["data"]


def lines(stack: "RunningStack", service: str, text: str) -> list[str]:
    return found(stack, f'{{service="{service}"}} |= "{text}"')
