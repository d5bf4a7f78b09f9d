"""The alerts: what a person wants to be told, each from one InfluxQL query."""

from dataclasses import dataclass

from queries import OPERATIONS, READINGS

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True)
class Alert:
    """Fires while the last value of `query` is `op` (lt, gt) `limit` for `minutes`.

    `seconds` is how far back the query looks; `silent` is what it means when nothing comes back.
    """

    uid: str
    title: str
    summary: str
    query: str
    source: str
    op: str
    limit: float
    seconds: int
    minutes: int = 5
    silent: str = "OK"


def _readings(metric: str) -> str:
    return (
        f'SELECT last("value") FROM "sensors" WHERE "metric" =~ /{metric}/ AND $timeFilter '
        'GROUP BY "device", "metric"'
    )


_BY_MINUTE = "$timeFilter GROUP BY time(1m)"
ALERTS = [
    Alert(
        "mote-device-offline",
        "Device offline",
        "{{ $labels.device }} is offline: power, WiFi, or the broker's address",
        'SELECT last("online") FROM "status" WHERE $timeFilter GROUP BY "device"',
        OPERATIONS,
        "lt",
        1,
        7 * DAY,
    ),
    Alert(
        "mote-device-silent",
        "Device silent",
        "{{ $labels.device }} has sent no reading for 15 minutes: look at its sensors and log",
        f'SELECT moving_average(count("value"), 15) FROM "sensors" WHERE {_BY_MINUTE}, "device" '
        "fill(0)",
        READINGS,
        "lt",
        0.01,
        3 * HOUR,
    ),
    Alert(
        "mote-no-data",
        "No data",
        "No reading from any device for 10 minutes: mote stack doctor",
        'SELECT count("value") FROM "sensors" WHERE $timeFilter',
        READINGS,
        "lt",
        1,
        10 * MINUTE,
        silent="Alerting",
    ),
    Alert(
        "mote-too-warm",
        "Too warm",
        "{{ $labels.metric }} of {{ $labels.device }} is above 35 °C",
        _readings("(^|_)temperature(_|$)").replace("AND", 'AND "metric" !~ /^chip/ AND', 1),
        READINGS,
        "gt",
        35,
        HOUR,
    ),
    Alert(
        "mote-battery-low",
        "Battery low",
        "The battery of {{ $labels.device }} is below 3.3 V",
        _readings("(^|_)battery(_|$)"),
        READINGS,
        "lt",
        3.3,
        DAY,
    ),
    Alert(
        "mote-pipeline-lag",
        "Pipeline lags",
        "More than 10,000 readings wait for the database: mote stack logs influxdb",
        f'SELECT max("buffer_size") FROM "internal_write" WHERE "alias" = \'readings\' AND '
        f"{_BY_MINUTE} fill(none)",
        OPERATIONS,
        "gt",
        10_000,
        10 * MINUTE,
        silent="Alerting",
    ),
    Alert(
        "mote-dropped-by-broker",
        "Broker dropped messages",
        "The broker's queue was full, or a reader too slow: mote stack logs mosquitto telegraf",
        'SELECT non_negative_difference(last("value")) FROM "broker" WHERE "group" = '
        f"'publish' AND \"figure\" = 'dropped' AND {_BY_MINUTE} fill(previous)",
        OPERATIONS,
        "gt",
        0,
        30 * MINUTE,
        minutes=0,
    ),
    Alert(
        "mote-dropped-by-telegraf",
        "Telegraf dropped readings",
        "The database refused readings, or Telegraf's buffer was full: mote stack logs telegraf",
        'SELECT non_negative_difference(last("metrics_dropped")) FROM "internal_write" WHERE '
        f"\"alias\" = 'readings' AND {_BY_MINUTE} fill(previous)",
        OPERATIONS,
        "gt",
        0,
        30 * MINUTE,
        minutes=0,
    ),
    Alert(
        "mote-lost-on-device",
        "Device lost readings",
        "{{ $labels.device }} was offline for longer than its store holds",
        'SELECT spread("lost") FROM "info" WHERE $timeFilter GROUP BY "device"',
        OPERATIONS,
        "gt",
        0,
        HOUR,
        minutes=0,
    ),
]


def rules() -> dict[str, object]:
    """All alerts as Grafana provisions them."""
    group = {
        "orgId": 1,
        "name": "mote",
        "folder": "Mote",
        "interval": "1m",
        "rules": [_rule(alert) for alert in ALERTS],
    }
    return {"apiVersion": 1, "groups": [group]}


def _rule(alert: Alert) -> dict[str, object]:
    span = {"from": alert.seconds, "to": 0}
    asked = {
        "refId": "A",
        "query": alert.query,
        "rawQuery": True,
        "resultFormat": "time_series",
        "intervalMs": MINUTE * 1000,
        "maxDataPoints": 1000,
    }
    last = {"refId": "B", "type": "reduce", "expression": "A", "reducer": "last",
            "settings": {"mode": "dropNN"}}  # fmt: skip
    compared = {
        "refId": "C",
        "type": "threshold",
        "expression": "B",
        "conditions": [{"evaluator": {"type": alert.op, "params": [alert.limit]}}],
    }
    steps = [("A", alert.source, asked), ("B", "__expr__", last), ("C", "__expr__", compared)]
    return {
        "uid": alert.uid,
        "title": alert.title,
        "condition": "C",
        "data": [
            {"refId": ref, "relativeTimeRange": span, "datasourceUid": uid, "model": model}
            for ref, uid, model in steps
        ],
        "noDataState": alert.silent,
        # While the database is away, one alert of the kind "Error" would come for each rule.
        "execErrState": "KeepLast",
        "for": f"{alert.minutes}m",
        "annotations": {"summary": alert.summary},
        "labels": {"system": "mote"},
    }
