"""Every query of every dashboard and alert brings rows from a database with data in it."""

import json
import re
import runpy
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from mote.units import UNITS
from motekit.stack.installation import DOCKER
from running_stack import RunningStack, eventually

pytestmark = pytest.mark.stack

GRAFANA = DOCKER / "grafana"
BUCKETS = {
    source["uid"]: source["jsonData"]["dbName"]
    for source in yaml.safe_load((GRAFANA / "provisioning/datasources/influxdb.yaml").read_text())[
        "datasources"
    ]
}
# What a person would have chosen.
CHOSEN = {"$device": "screen", "$metric": "temperature", "${span}": "mote-readings"}


def panels() -> list[Any]:
    """Each query of a panel and of a variable: data source and text."""
    found = []
    for path in sorted((GRAFANA / "dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                name = f"{path.stem}: {panel['title']}"
                found.append(pytest.param(panel["datasource"]["uid"], target["query"], id=name))
        for variable in dashboard.get("templating", {}).get("list", []):
            if variable["type"] == "query":
                name = f"{path.stem}: ${variable['name']}"
                uid, query = variable["datasource"]["uid"], variable["query"]
                found.append(pytest.param(uid, query, id=name))
    return found


def alerts() -> list[Any]:
    rules = json.loads((GRAFANA / "provisioning/alerting/rules.json").read_text())
    return [
        pytest.param(step["datasourceUid"], step["model"]["query"], id=f"alert: {rule['title']}")
        for rule in rules["groups"][0]["rules"]
        for step in rule["data"]
        if step["datasourceUid"] != "__expr__"
    ]


@pytest.fixture(scope="module")
def with_data(stack: RunningStack) -> RunningStack:
    """A device that has told all there is to tell, and figures of the pipeline itself."""
    client = stack.client("screen")

    def told_in_three_seconds() -> bool:
        """Tell all of it once more; differences need values in several intervals."""
        for metric, value in (("temperature", 21 + time.time() % 1), ("battery", 3.9)):
            client.publish(f"sensors/screen/{metric}", f"{value}", qos=1)
        info = {"rssi": -60, "heap": 90000, "heap_low": 80000, "crashes": 0, "queue": 0, "lost": 0}
        client.publish("devices/screen/info", json.dumps(info), qos=1, retain=True)
        client.publish("devices/screen/status", "offline", qos=1, retain=True)
        info_rows = stack.rows("SELECT lost FROM info WHERE device='screen'", "operations")
        readings = stack.rows("SELECT value FROM sensors WHERE device='screen'")
        return all(
            len({row["time"] // 10**9 for row in rows}) > 2 for rows in (info_rows, readings)
        )

    eventually(told_in_three_seconds)
    for figure in ("dropped", "received"):
        query = f"SELECT count(value) FROM broker WHERE figure='{figure}'"
        eventually(lambda q=query: (stack.rows(q, "operations") or [{"count": 0}])[0]["count"] > 1)
    return stack


@pytest.mark.parametrize(("uid", "query"), [*panels(), *alerts()])
def test_the_query_brings_rows(with_data: RunningStack, uid: str, query: str) -> None:
    for variable, value in CHOSEN.items():
        uid, query = uid.replace(variable, value), query.replace(variable, value)
    query = query.replace("$timeFilter", "time > now() - 3h AND time < now()")
    query = query.replace("$__interval", "1s").replace("time(1m)", "time(1s)")
    assert not re.search(r"\$[\w{]", query), "a variable that the test does not know"
    rows = with_data.rows(query, BUCKETS[uid])
    assert rows, query
    assert any(value is not None for row in rows for name, value in row.items() if name != "time")


def test_the_files_are_what_their_code_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(GRAFANA / "code"))
    written = runpy.run_path(str(GRAFANA / "code" / "__main__.py"))["files"]()
    count = 0
    for path, text in written:
        assert Path(path).read_text() == text, f"{path}: run `python docker/grafana/code`"
        count += 1
    assert count == 6


def drawn(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """The panels of a kind, each with the name of its dashboard."""
    return [
        (path.stem, panel)
        for path in sorted((GRAFANA / "dashboards").glob("*.json"))
        for panel in json.loads(path.read_text())["panels"]
        if panel["type"] == kind
    ]


def overridden(panel: dict[str, Any], what: str) -> dict[str, Any]:
    """What a panel gives its fields instead of `what`, by the pattern of their names."""
    return {
        one["matcher"]["options"]: given["value"]
        for one in panel["fieldConfig"]["overrides"]
        for given in one["properties"]
        if given["id"] == what
    }


def test_every_line_has_a_name_and_a_unit() -> None:
    panels = drawn("timeseries")
    assert len(panels) > 10
    for where, panel in panels:
        assert panel["options"]["legend"]["showLegend"], (where, panel["title"])
        if "unit" in panel["fieldConfig"]["defaults"]:
            continue
        units = overridden(panel, "unit")
        for metric, (_, unit) in UNITS.items():
            # Grafana takes the last that fits.
            for name in (metric, f"{metric}_2", f"kitchen dht22_{metric}"):
                fits = [units[one] for one in units if re.search(one.strip("/"), name)]
                assert fits[-1] == unit, (where, panel["title"], name)


def test_in_fleet_every_device_leads_to_its_page() -> None:
    fleet = [panel for kind in ("table", "state-timeline", "timeseries")
             for where, panel in drawn(kind) if where == "fleet"]  # fmt: skip
    assert len(fleet) == 4
    for panel in fleet:
        ((link,),) = overridden(panel, "links").values()
        assert link["url"].startswith("/d/mote-device?"), panel["title"]
        assert link["url"].partition("var-device=")[2] in (
            "${__value.text}",
            "${__field.labels.device}",
        )


def test_the_uids_of_data_sources_exist() -> None:
    chosen = {uid.values[0] for uid in [*panels(), *alerts()]}
    assert chosen - {"${span}"} <= set(BUCKETS)
