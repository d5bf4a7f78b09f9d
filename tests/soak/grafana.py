"""Grafana itself on our files: data sources, dashboards, alerts, and pictures of its pages.

A Grafana 10 built from source (see `grafana_source`), as the pinned 13 cannot be had without a
registry of images; `make engines ONLY=soak` builds it, a quarter of an hour on two cores. It does
not know what a rule is to do when its query fails by the name that 13 has for it, and it has no
plugins for MQTT and Redis: these three data sources of profile `full` are not asked.
"""

import json
import sys
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from running_stack import RunningStack

NAMES = ("grafana_checks",)
ENGINES = ("test", "traefik", "loki", "promtail", "alloy", "grafana")
PICTURES = Path(__file__).parents[2] / "build" / "pictures"
DATABASES = ("mote-readings", "mote-minutes", "mote-hours", "mote-operations")
DASHBOARDS = {
    "mote-fleet": "",
    "mote-device": "?var-device=greenhouse",
    "mote-metric": "?var-metric=temperature",
    "mote-pipeline": "",
}
RULES = 9
# An evaluation a minute, five minutes of patience, half a minute for the group.
FIRES_S = 480


def run(figure: Callable[[str, float, str], None]) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "stack"))
    import lifelike
    import local_images
    from measuring import fresh_stack
    from running_stack import CORE, VALUES

    passed = 0
    # Without the made-up devices: a few that one knows make better pictures.
    services = [*CORE, *(one for one in VALUES if one != "fleet"), "traefik", "loki", "log-shipper"]
    also = [*local_images.HEAVY, local_images.GRAFANA]
    with fresh_stack(services, "full", also) as stack, notified() as notes:
        lifelike.past(stack)
        with lifelike.live(stack):
            stack.set(ALERT_WEBHOOK=f"http://{gateway(stack)}:{notes.port}/?key=a$b")
            start_grafana(stack)
            for check in CHECKS:
                check(stack, notes)
                passed += 1
                print(f"# Grafana: {check.__doc__}", flush=True)
    figure("grafana_checks", passed, "checks")


class Notes:
    """What came to the webhook, and its port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.alerts: list[dict[str, Any]] = []
        self.paths: set[str] = set()

    def of(self, title: str) -> list[dict[str, Any]]:
        """The alerts of a rule that fire."""
        firing = (one for one in self.alerts if one["status"] == "firing")
        return [one for one in firing if one["labels"]["alertname"] == title]


@contextmanager
def notified() -> Iterator[Notes]:
    """A webhook for the time of the block."""

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            notes.paths.add(self.path)
            notes.alerts += told["alerts"]
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_details: object) -> None:
            pass

    server = ThreadingHTTPServer(("", 0), Webhook)
    notes = Notes(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield notes
    finally:
        server.shutdown()


def start_grafana(stack: "RunningStack") -> None:
    """`mote stack up`, with the rules in the words of Grafana 10."""
    from motekit.stack.installation import DOCKER

    ours = DOCKER / "grafana/provisioning/alerting/rules.json"
    older = stack.installation.state.parent / "rules.json"
    older.write_text(ours.read_text().replace('"KeepLast"', '"Error"'))
    older.parent.chmod(0o755)
    other = older.with_name("compose.yaml")
    mount = f"{older}:/etc/grafana/provisioning/alerting/rules.json:ro"
    other.write_text(json.dumps({"services": {"grafana": {"volumes": [mount]}}}))
    stack.environment["COMPOSE_FILE"] = f"compose.yaml:{other}"
    stack.mote("up", "grafana")


def gateway(stack: "RunningStack") -> str:
    """This machine, as Grafana reaches it."""
    import subprocess

    network = f"{stack.environment['COMPOSE_PROJECT_NAME']}_edge"
    form = "{{range .IPAM.Config}}{{.Gateway}}{{end}}"
    command = ["docker", "network", "inspect", "--format", form, network]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def nobody_unknown_gets_in(stack: "RunningStack", _notes: Notes) -> None:
    """without a login there is nothing but the page that asks for it"""
    for path in ("/api/search", "/api/datasources", "/d/mote-fleet"):
        code, text = ask(stack, path, password="")
        assert code == 401 or (code == 200 and "mote-fleet" not in text), (path, code)


def databases_answer(stack: "RunningStack", _notes: Notes) -> None:
    """every data source of the database says that it works"""
    for uid in DATABASES:
        told = asked(stack, f"/api/datasources/uid/{uid}/health")
        assert told["status"] == "OK", (uid, told)


def dashboards_are_there(stack: "RunningStack", _notes: Notes) -> None:
    """the dashboards are in the folder Mote, and the fleet is at home"""
    found = {one["uid"]: one.get("folderTitle") for one in asked(stack, "/api/search?type=dash-db")}
    assert found == dict.fromkeys([*DASHBOARDS, "mote-live"], "Mote"), found
    assert asked(stack, "/api/dashboards/home")["dashboard"]["title"] == "Fleet"


def every_panel_shows_data(stack: "RunningStack", _notes: Notes) -> None:
    """every panel of every dashboard shows data, and none an error"""
    import grafana_pages

    with grafana_pages.signed_in(address(stack), stack.installation.secret("grafana")) as page:
        for uid, query in DASHBOARDS.items():
            picture = PICTURES / f"grafana-{uid.removeprefix('mote-')}.png"
            panels = grafana_pages.panels(page, f"{address(stack)}/d/{uid}{query}", picture)
            assert panels and not [one for one in panels if one.bad], (uid, panels)


def a_click_leads_to_the_device(stack: "RunningStack", _notes: Notes) -> None:
    """through the door, a click on a device in Fleet opens its page"""
    import grafana_pages

    door = f"https://localhost:{stack.https_port}/grafana"
    with grafana_pages.signed_in(door, stack.installation.secret("grafana")) as page:
        grafana_pages.panels(page, f"{door}/d/mote-fleet")
        page.locator(".react-grid-item a", has_text="greenhouse").first.click()
        page.wait_for_url(lambda now: "/grafana/d/mote-device" in now)
        assert "var-device=greenhouse" in page.url, page.url


def logs_are_found(stack: "RunningStack", _notes: Notes) -> None:
    """the data source of the logs has a label for each service"""
    found = asked(stack, "/api/datasources/uid/mote-logs/resources/label/service/values")
    assert {"mosquitto", "influxdb", "grafana"} <= set(found["data"]), found


def rules_are_evaluated(stack: "RunningStack", _notes: Notes) -> None:
    """every rule is evaluated, and its query works"""
    from running_stack import eventually

    def rules() -> list[dict[str, Any]]:
        groups = asked(stack, "/api/prometheus/grafana/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    eventually(lambda: all(rule["lastEvaluation"][:4] != "0001" for rule in rules()), 180)
    assert len(rules()) == RULES
    assert all(rule["health"] == "ok" for rule in rules()), rules()


def alerts_arrive(stack: "RunningStack", notes: Notes) -> None:
    """too warm, battery low, offline: each comes to the webhook, with a link that leads here"""
    from running_stack import eventually

    client = stack.client("boiler")
    client.publish("devices/boiler/status", "offline", qos=1, retain=True)
    client.publish("sensors/boiler/temperature", "41.3", qos=1)
    client.publish("sensors/boiler/battery", "3.1", qos=1).wait_for_publish(30)
    client.disconnect()
    client.loop_stop()
    for title in ("Device offline", "Too warm", "Battery low"):
        eventually(lambda title=title: notes.of(title), FIRES_S)
        for alert in notes.of(title):
            assert alert["labels"]["device"] == "boiler", alert
            assert "boiler" in alert["annotations"]["summary"], alert
            door = f"https://localhost:{stack.https_port}/grafana/"
            assert alert["generatorURL"].startswith(door), alert
    assert notes.paths == {"/?key=a$b"}, notes.paths


def addresses_can_be_taken_out(stack: "RunningStack", _notes: Notes) -> None:
    """an address that leaves the settings leaves Grafana"""
    assert "mote-webhook" in contacts(stack)
    stack.set(ALERT_WEBHOOK="")
    stack.mote("up", "grafana")
    assert "mote-webhook" not in contacts(stack)


CHECKS = (
    nobody_unknown_gets_in,
    databases_answer,
    dashboards_are_there,
    every_panel_shows_data,
    a_click_leads_to_the_device,
    logs_are_found,
    rules_are_evaluated,
    alerts_arrive,
    addresses_can_be_taken_out,
)


def address(stack: "RunningStack") -> str:
    return f"http://localhost:{stack.grafana_port}/grafana"


def contacts(stack: "RunningStack") -> set[str]:
    return {one["uid"] for one in asked(stack, "/api/v1/provisioning/contact-points")}


def asked(stack: "RunningStack", path: str) -> Any:
    """What Grafana answers to its admin."""
    code, text = ask(stack, path, stack.installation.secret("grafana"))
    assert code == 200, (path, code, text)
    return json.loads(text)


def ask(stack: "RunningStack", path: str, password: str) -> tuple[int, str]:
    request = urllib.request.Request(f"{address(stack)}{path}")
    if password:
        login = b64encode(f"admin:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
