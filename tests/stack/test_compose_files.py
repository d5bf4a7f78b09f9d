"""What the compose files promise of every service."""

import json
from pathlib import Path
from typing import Any

import mote
import pytest
import yaml
from motekit.stack.installation import DOCKER, versions
from running_stack import CORE, RunningStack, eventually

pytestmark = pytest.mark.stack

# Ports of the host, by what is inside: for devices and for people, nothing else.
PUBLISHED = {"mosquitto": {1883, 8883}, "grafana": {3000}, "traefik": {8000, 8443}}
# Those of them without TLS: open to this machine alone unless the settings say otherwise. 8000 only
# leads to 8443.
IN_CLEAR = {("mosquitto", 1883): "MOTE_MQTT_ADDRESS", ("grafana", 3000): "MOTE_GRAFANA_ADDRESS"}
# What each service can read or write of the state of the installation: its own, and no more. `w` is
# written, too. What is not here has nothing of it.
REACHED = {
    "mosquitto": {
        "mosquitto/accounts.json": "r",
        "mosquitto/health/mosquitto_sub": "r",
        "certificates/server.crt": "r",
        "certificates/server.key": "r",
    },
    "refill": {
        "logins/refill/mosquitto_sub": "r",
        "logins/refill/mosquitto_pub": "r",
        "data/refill/losses": "w",
    },
    "replay-gate": {
        "logins/replay-gate/mosquitto_sub": "r",
        "logins/replay-gate/mosquitto_pub": "r",
    },
    "telegraf": {"secrets/telegraf/mqtt_password": "r", "secrets/telegraf/influxdb_token": "r"},
    "influxdb": {"secrets/influxdb/password": "r", "secrets/influxdb/operator_token": "r"},
    "influxdb-setup": {
        "secrets/influxdb/operator_token": "r",
        "secrets/telegraf/influxdb_token": "w",
        "secrets/grafana/influxdb_token": "w",
        "secrets/last-values/influxdb_token": "w",
        "data/refill/losses": "w",
    },
    "grafana": {
        "secrets/grafana/admin_password": "r",
        "secrets/grafana/secret_key": "r",
        "secrets/grafana/mqtt_password": "r",
        "secrets/grafana/influxdb_token": "r",
        "secrets/grafana/redis_password": "r",
        "secrets/grafana/smtp_password": "r",
        "grafana/contacts.json": "r",
    },
    "redis": {"redis/users.acl": "r"},
    "last-values": {
        "secrets/last-values/mqtt_password": "r",
        "secrets/last-values/redis_password": "r",
        "secrets/last-values/influxdb_token": "r",
    },
    "fleet": {"secrets/fleet/accounts.csv": "r"},
    "traefik": {
        "traefik/users": "r",
        "certificates/server.crt": "r",
        "certificates/server.key": "r",
    },
}
# Who else is in the network of Docker's guard.
GUARDED = {"docker-guard", "log-shipper"}
# Pages with a login of their own; all others have that of the door.
OWN_LOGIN = {"grafana", "mqtt"}
# Done with their work when they end, so nothing is left to be asked for its health.
ONCE = {"influxdb-setup"}


Services = dict[str, Any]
# The second choice of each switch in the settings.
OTHERWISE = {
    "MOTE_PROFILE": "full",
    "MOTE_LOG_SHIPPER": "alloy",
    "MOTE_WEB_CERTIFICATE": "letsencrypt",
    "MOTE_DOMAIN": "mote.example.org",
}


@pytest.fixture(scope="module")
def unborn(docker: None, tmp_path_factory: pytest.TempPathFactory) -> RunningStack:
    made = RunningStack(tmp_path_factory.mktemp("config") / "state")
    made.mote("init")
    return made


def configured(unborn: RunningStack) -> Services:
    return json.loads(unborn.compose("--profile", "*", "config", "--format", "json"))["services"]


@pytest.fixture(scope="module", params=["as made", "otherwise"])
def services(unborn: RunningStack, request: pytest.FixtureRequest) -> Services:
    if request.param == "otherwise":
        unborn.set(**OTHERWISE)
    return configured(unborn)


def test_every_service_has_an_image_of_one_version(unborn: RunningStack) -> None:
    unborn.set(MOTE_LOG_SHIPPER="promtail")
    first = configured(unborn)
    assert set(CORE) < set(first)
    unborn.set(MOTE_LOG_SHIPPER="alloy")
    used = {one["image"] for found in (first, configured(unborn)) for one in found.values()}
    # The image of `mote` is built here, on a Python.
    pinned = versions()
    assert used == set(pinned.values()) - {pinned["PYTHON_IMAGE"]}
    assert first["fleet"]["build"]["args"] == {"PYTHON_IMAGE": pinned["PYTHON_IMAGE"]}
    assert pinned["MOTE_IMAGE"] == f"mote:{mote.__version__}"
    for image in pinned.values():
        # A digest may stand behind the tag (motekit.stack.image_digests).
        tag = image.partition("@")[0].rpartition(":")[2].removeprefix("v")
        assert tag[0].isdigit() and "." in tag, f"{image}: a version, not a moving tag"


def test_every_service_is_confined(services: Services) -> None:
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= set(limits), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert not service.get("cap_add") and not service.get("privileged"), name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["user"].split(":")[0] not in ("", "0", "root"), name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service["restart"] == "unless-stopped" or name in ONCE, name
        assert "test" in service.get("healthcheck", {}) or name in ONCE, name


def test_the_host_has_only_the_ports_of_devices_and_people(services: Services) -> None:
    found = {
        name: {port["target"] for port in service["ports"]}
        for name, service in services.items()
        if service.get("ports")
    }
    assert found == PUBLISHED
    # Who has no port on the host has no way out of the stack either.
    for name, service in services.items():
        expected = {"edge"} if name in PUBLISHED else set()
        expected |= {"guard"} if name in GUARDED else set()
        expected |= {"backend"} if name != "docker-guard" else set()
        assert set(service["networks"]) == expected, name


def test_only_the_guard_holds_the_socket_of_docker(
    services: Services, unborn: RunningStack
) -> None:
    socket = unborn.installation.settings()["MOTE_DOCKER_SOCKET"]
    holders = {
        name
        for name, service in services.items()
        for volume in service.get("volumes", [])
        if volume["source"] == socket or "docker.sock" in volume["source"]
    }
    assert holders == {"docker-guard"}


def test_a_service_reaches_its_own_secrets_and_no_others(
    services: Services, unborn: RunningStack
) -> None:
    state = unborn.installation.state
    found: dict[str, dict[str, str]] = {}
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = Path(volume["source"])
            # A folder above the state, or the root, would hold all of it.
            assert not state.is_relative_to(source), (name, source)
            if not source.is_relative_to(state):
                continue
            files = [source] if source.is_file() else source.rglob("*")
            for path in files:
                if path.is_file():
                    mode = "r" if volume.get("read_only") else "w"
                    found.setdefault(name, {})[str(path.relative_to(state))] = mode
    assert found == REACHED
    # Nor has a container the settings, which may have passwords, in its environment.
    for name, service in services.items():
        told = json.dumps([service.get("environment"), service.get("command")])
        for path in unborn.installation.secrets.rglob("*"):
            secret = path.read_text().strip() if path.is_file() else ""
            assert not secret or secret not in told, (name, path)
        assert "SMTP_PASSWORD=" not in told and "TELEGRAM_TOKEN" not in told, name


def test_ports_without_tls_are_open_to_this_machine_alone(unborn: RunningStack) -> None:
    def addresses() -> dict[tuple[str, int], str]:
        return {
            (name, port["target"]): port.get("host_ip", "")
            for name, service in configured(unborn).items()
            for port in service.get("ports", [])
        }

    expected = dict.fromkeys(IN_CLEAR, "127.0.0.1")
    expected |= {("mosquitto", 8883): "", ("traefik", 8000): "", ("traefik", 8443): ""}
    assert addresses() == expected
    unborn.set(MOTE_MQTT_ADDRESS="192.0.2.7", MOTE_GRAFANA_ADDRESS="::1")
    opened = addresses()
    unborn.set(MOTE_MQTT_ADDRESS="127.0.0.1", MOTE_GRAFANA_ADDRESS="127.0.0.1")
    assert opened == expected | {("mosquitto", 1883): "192.0.2.7", ("grafana", 3000): "::1"}


def test_every_page_is_behind_a_login(services: Services) -> None:
    http = yaml.safe_load((DOCKER / "traefik" / "dynamic.yaml").read_text())["http"]
    routed = set()
    for name, router in http["routers"].items():
        routed.add(router["rule"].split("`")[1])
        assert (router.get("middlewares", [""])[0] == "login") == (name not in OWN_LOGIN), name
        assert router["service"] == "api@internal" or router["service"] in http["services"]
    assert routed == {"/grafana", "/mqtt", "/redis", "/loki", "/mqttx", "/traefik", "/"}
    for service in http["services"].values():
        (server,) = service["loadBalancer"]["servers"]
        host = server["url"].removeprefix("http://").partition(":")[0]
        assert "backend" in services[host]["networks"], host
    # Static: nobody but the file is asked for routes, and no label makes one.
    asked = {key for key in services["traefik"]["environment"] if "_PROVIDERS_" in key}
    assert asked == {"TRAEFIK_PROVIDERS_FILE_FILENAME"}
    assert not any("traefik" in label for one in services.values() for label in one["labels"])


def test_one_switch_changes_from_promtail_to_alloy(unborn: RunningStack) -> None:
    unborn.set(MOTE_LOG_SHIPPER="promtail")
    first = configured(unborn)["log-shipper"]
    unborn.set(MOTE_LOG_SHIPPER="alloy")
    second = configured(unborn)["log-shipper"]
    same = ("volumes", "networks", "depends_on", "read_only", "deploy", "profiles")
    assert [first[key] for key in same] == [second[key] for key in same]
    assert second["image"].startswith("grafana/alloy:")
    assert "--config.format=promtail" in second["command"]
    # Both read this file (`make soak ONLY=stack_full` runs both); nothing is in it that Alloy's
    # converter refuses (write-ahead log, standard input, tracing, a prefix of the path).
    config = yaml.safe_load((DOCKER / "promtail" / "promtail.yaml").read_text())
    assert set(config) == {"server", "positions", "clients", "scrape_configs"}
    assert set(config["server"]) == {"http_listen_port", "grpc_listen_port"}
    assert all("docker_sd_configs" in job for job in config["scrape_configs"])


def test_letsencrypt_needs_settings_only(unborn: RunningStack) -> None:
    unborn.set(**OTHERWISE)
    environment = configured(unborn)["traefik"]["environment"]
    domain = "TRAEFIK_ENTRYPOINTS_WEBSECURE_HTTP_TLS_DOMAINS_0_MAIN"
    assert environment[domain] == OTHERWISE["MOTE_DOMAIN"]
    assert environment["TRAEFIK_ENTRYPOINTS_WEBSECURE_HTTP_TLS_CERTRESOLVER"] == "letsencrypt"


def test_profile_full_brings_grafana_its_sources(unborn: RunningStack) -> None:
    for profile, plugins in (
        ("core", set()),
        ("full", {"grafana-mqtt-datasource", "redis-datasource"}),
    ):
        unborn.set(MOTE_PROFILE=profile)
        grafana = configured(unborn)["grafana"]
        mounted = {volume["target"]: volume["source"] for volume in grafana["volumes"]}
        sources = yaml.safe_load(
            Path(mounted["/etc/grafana/provisioning/datasources/profile.yaml"]).read_text()
        )
        kinds = {one["type"] for one in sources.get("datasources", [])} - {"loki"}
        asked = grafana["environment"].get("GF_PLUGINS_PREINSTALL_SYNC", "")
        assert {plugin.split("@")[0] for plugin in asked.split(",") if plugin} == plugins == kinds
        uids = {one["uid"] for one in sources.get("datasources", [])}
        shown = Path(mounted["/etc/grafana/dashboards/profile"]) / "live.json"
        assert shown.exists() == (profile == "full")
        if shown.exists():
            panels = json.loads(shown.read_text())["panels"]
            assert {panel["datasource"]["uid"] for panel in panels} == uids


def test_the_settings_of_a_raspberry_pi_leave_it_room(docker: None, tmp_path: Path) -> None:
    unborn = RunningStack(tmp_path / "state")
    unborn.mote("init")
    with unborn.installation.settings_file.open("a") as file:
        file.write((DOCKER / "raspberry-pi.env").read_text())
    found = json.loads(unborn.compose("config", "--format", "json"))["services"]
    memory = {
        name: int(service["deploy"]["resources"]["limits"]["memory"])
        for name, service in found.items()
    }
    database = found["influxdb"]["environment"]
    assert sum(memory.values()) < 3.5 * 2**30, memory
    assert int(database["GOMEMLIMIT"].removesuffix("MiB")) * 2**20 < 0.85 * memory["influxdb"]
    assert int(database["INFLUXD_STORAGE_CACHE_MAX_MEMORY_SIZE"]) < memory["influxdb"] / 2
    assert database["INFLUXD_STORAGE_MAX_CONCURRENT_COMPACTIONS"] == "1"


def test_no_secret_is_in_the_configuration(stack: RunningStack) -> None:
    shown = stack.compose("config") + stack.compose("ps", "--format", "json")
    files = [path for path in stack.installation.secrets.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        secret = path.read_text()
        assert not secret or secret not in shown, path
    assert not stack.installation.exposed()


def test_a_second_up_changes_nothing(stack: RunningStack) -> None:
    def ids() -> dict[str, str]:
        lines = stack.compose("ps", "--all", "--format", "json").splitlines()
        return {line["Service"]: line["ID"] for line in map(json.loads, lines)}

    def files() -> dict[str, bytes]:
        kept = stack.installation
        paths = [*kept.secrets.rglob("*"), *kept.certificates.rglob("*"), kept.settings_file]
        return {str(path): path.read_bytes() for path in paths if path.is_file()}

    before = ids(), files()
    assert "made" not in stack.mote("up", *stack.services)
    assert (ids(), files()) == before


def test_doctor_and_status_find_nothing_wrong(stack: RunningStack) -> None:
    # A broker that an earlier test restarted has its readers back soon.
    eventually(lambda: stack.run("stack", "status").returncode == 0)
    found = json.loads(stack.mote("doctor", "--json"))
    assert all(one["good"] for one in found), found
    assert any("login at the broker" in one["what"] for one in found)
    shown = {one["name"]: one["good"] for one in json.loads(stack.mote("status", "--json"))}
    assert shown == dict.fromkeys(stack.services or shown, True)
