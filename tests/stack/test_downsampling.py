"""Minutes and hours out of readings, also of those that came late."""

import json
import time

import pytest
from running_stack import RunningStack, eventually

pytestmark = pytest.mark.stack

OPERATOR = "influxdb/operator_token"
HOUR_NS = 3600 * 10**9
MINUTE_NS = 60 * 10**9


def run_task(stack: RunningStack, name: str) -> None:
    """Run a downsampling task now, and wait until it has succeeded."""

    def ask(path: str, method: str = "GET") -> dict:
        code, text = stack.http(OPERATOR, f"/api/v2/tasks{path}", method)
        assert code < 300, text
        return json.loads(text)

    found = [task for task in ask("?limit=100")["tasks"] if task["name"] == name]
    assert len(found) == 1, f"one task {name}, whatever number of starts"
    run = ask(f"/{found[0]['id']}/runs", "POST")
    path = f"/api/v2/tasks/{found[0]['id']}/runs/{run['id']}"

    def over() -> dict | None:
        code, text = stack.http(OPERATOR, path)
        # Between the runs that go on and those that are over it is in neither list for a moment.
        if code == 404:
            return None
        assert code < 300, text
        told = json.loads(text)
        return told if told["status"] in ("success", "failed") else None

    done = eventually(over)
    assert done["status"] == "success", done


def test_minutes_and_hours_weigh_every_reading_alike(stack: RunningStack) -> None:
    hour = (time.time_ns() // HOUR_NS - 5) * HOUR_NS
    # Four readings in one minute, one in another: their mean is not the mean of two minutes.
    made = [(0, 10.0), (10, 12.0), (20, 14.0), (30, 16.0), (600, 40.0)]
    lines = [
        f"sensors,device=late,metric=flow value={value} {hour + second * 10**9}"
        for second, value in made
    ]
    client = stack.client("late")
    client.publish("backfill/late", "\n".join(lines), qos=1)
    count = "SELECT count(value) FROM sensors WHERE device='late'"
    eventually(lambda: (stack.rows(count) or [{"count": 0}])[0]["count"] == len(made))
    for _ in range(2):
        run_task(stack, "late minutes")
        run_task(stack, "hours")
    fields = 'SELECT value, "min", "max", "count" FROM sensors WHERE device=\'late\''
    minutes = stack.rows(fields, "sensors_minutes")
    assert [(m["time"], m["value"], m["min"], m["max"], m["count"]) for m in minutes] == [
        (hour, 13, 10, 16, 4),
        (hour + 10 * MINUTE_NS, 40, 40, 40, 1),
    ]
    hours = stack.rows(fields, "sensors_hours")
    assert [(h["time"], h["value"], h["min"], h["max"], h["count"]) for h in hours] == [
        (hour, 18.4, 10, 40, 5)
    ]


def test_a_device_that_stays_online_is_seen_however_short_one_looks_back(
    stack: RunningStack,
) -> None:
    days_ago = time.time_ns() - 240 * HOUR_NS
    lines = f"status,device=steady online=1i {days_ago}\nstatus,device=gone online=0i {days_ago}"
    write = "/api/v2/write?org=mote&bucket=operations"
    assert stack.http("telegraf/influxdb_token", write, "POST", lines)[0] == 204
    run_task(stack, "still online")
    seen = "SELECT online FROM status WHERE device =~ /^(steady|gone)$/ AND time > now() - 5m"
    assert [row["online"] for row in stack.rows(seen, "operations")] == [1]


def test_buckets_keep_a_week_three_months_five_years(stack: RunningStack) -> None:
    buckets = json.loads(stack.http(OPERATOR, "/api/v2/buckets?limit=100")[1])["buckets"]
    day = 24 * 3600
    kept = {
        one["name"]: one["retentionRules"][0]["everySeconds"]
        for one in buckets
        if not one["name"].startswith("_")
    }
    assert kept == {
        "sensors": 7 * day,
        "sensors_minutes": 90 * day,
        "sensors_hours": 5 * 365 * day,
        "operations": 30 * day,
    }


def test_the_token_of_grafana_cannot_write_and_that_of_telegraf_cannot_read(
    stack: RunningStack,
) -> None:
    write = "/api/v2/write?org=mote&bucket=sensors"
    line = "sensors,device=token,metric=used value=1"
    assert stack.http("grafana/influxdb_token", write, "POST", line)[0] in (401, 403, 404)
    assert stack.http("telegraf/influxdb_token", write, "POST", line)[0] == 204
    written = "SELECT value FROM sensors WHERE device='token'"
    eventually(lambda: stack.rows(written))
    assert not stack.ask("telegraf/influxdb_token", written).get("series")
