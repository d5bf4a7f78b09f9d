"""The dashboards: overview of the fleet, one device, one metric across devices, the pipeline."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from panels import (
    LOW,
    WIDE,
    dashboard,
    leading_to_devices,
    lines,
    matrix,
    number,
    presence,
    rows,
    span_variable,
    values_variable,
)
from queries import CHOSEN, OPERATIONS, READINGS

_TIME = "$timeFilter GROUP BY time($__interval)"
_STATES = 'SELECT last("online") AS "online" FROM "status" WHERE $timeFilter GROUP BY "device"'


def fleet() -> Dashboard:
    """All devices at a glance: who is there, what came last, how much comes."""
    offline = f'SELECT count("online") FROM ({_STATES}) WHERE "online" < 1'
    return (
        dashboard("Fleet", "mote-fleet", "24h")
        .with_panel(number("Online", f'SELECT sum("online") FROM ({_STATES})', OPERATIONS))
        .with_panel(number("Offline", offline, OPERATIONS, bad_from=1))
        .with_panel(
            number("Readings", 'SELECT count("value") FROM "sensors" WHERE $timeFilter', READINGS)
        )
        .with_panel(
            number(
                "Lowest battery",
                'SELECT min("value") FROM "sensors" WHERE "metric" = \'battery\' AND $timeFilter',
                READINGS,
                bad_below=3.3,
                unit="V",
                nothing="none",
            )
        )
        .with_panel(
            matrix(
                "Last readings",
                'SELECT last("value") FROM "sensors" WHERE $timeFilter GROUP BY "device", "metric"',
                READINGS,
            )
        )
        .with_panel(
            leading_to_devices(
                presence(
                    f'SELECT last("online") FROM "status" WHERE {_TIME}, "device" fill(previous)',
                    OPERATIONS,
                )
            )
        )
        .with_panel(
            leading_to_devices(
                lines(
                    "Readings of each device",
                    f'SELECT count("value") FROM "sensors" WHERE {_TIME}, "device" fill(0)',
                    READINGS,
                    "$tag_device",
                    "none",
                )
            )
        )
        .with_panel(
            leading_to_devices(
                lines(
                    "WiFi signal",
                    f'SELECT mean("rssi") FROM "info" WHERE {_TIME}, "device" fill(none)',
                    OPERATIONS,
                    "$tag_device",
                    "dBm",
                )
            )
        )
    )


def device() -> Dashboard:
    """Everything of one device."""
    where = f'WHERE "device" =~ /^$device$/ AND {_TIME}'
    info = f'FROM "info" {where} fill(none)'
    metrics = 'SHOW TAG VALUES FROM "sensors" WITH KEY = "metric" WHERE "device" =~ /^$device$/'
    return (
        dashboard("Device", "mote-device", "24h")
        .with_variable(span_variable())
        .with_variable(
            values_variable("device", 'SHOW TAG VALUES FROM "sensors" WITH KEY = "device"')
        )
        .with_variable(values_variable("metric", metrics, every=True))
        .with_panel(
            lines(
                "$metric",
                'SELECT mean("value") FROM "sensors" WHERE "metric" =~ /^$metric$/ AND '
                f'"device" =~ /^$device$/ AND {_TIME}, "metric" fill(none)',
                CHOSEN,
                "$tag_metric",
            )
            .repeat("metric")
            .repeat_direction("h")
            .max_per_row(2)
        )
        .with_panel(
            presence(
                f'SELECT last("online") FROM "status" {where}, "device" fill(previous)',
                OPERATIONS,
                LOW,
            )
        )
        .with_panel(lines("WiFi signal", f'SELECT mean("rssi") {info}', OPERATIONS, unit="dBm"))
        .with_panel(
            lines(
                "Readings that wait on the device, and lost ones",
                f'SELECT max("queue") AS "waiting", max("lost") AS "lost" {info}',
                OPERATIONS,
            )
        )
        .with_panel(
            lines(
                "Free heap",
                f'SELECT min("heap") AS "now", min("heap_low") AS "least so far" {info}',
                OPERATIONS,
                unit="bytes",
            )
        )
        .with_panel(
            lines("Crashes in a row", f'SELECT max("crashes") AS "crashes" {info}', OPERATIONS)
        )
    )


def metric() -> Dashboard:
    """One metric, device beside device."""
    where = 'FROM "sensors" WHERE "metric" =~ /^$metric$/ AND'
    return (
        dashboard("Metric", "mote-metric", "24h")
        .with_variable(span_variable())
        .with_variable(
            values_variable("metric", 'SHOW TAG VALUES FROM "sensors" WITH KEY = "metric"')
        )
        .with_panel(
            leading_to_devices(
                lines(
                    "$metric",
                    f'SELECT mean("value") {where} {_TIME}, "device", "metric" fill(none)',
                    CHOSEN,
                    "$tag_device $tag_metric",
                    span=WIDE,
                )
            )
        )
        .with_panel(
            rows(
                "Least, mean, greatest",
                f'SELECT min("value"), mean("value"), max("value") {where} $timeFilter '
                'GROUP BY "device"',
                CHOSEN,
            )
        )
    )


def pipeline() -> Dashboard:
    """Is everything on its way from the broker to the database, and was anything lost?"""
    telegraf = 'FROM "internal_write" WHERE "alias" = \'readings\' AND'
    lost = 'SELECT spread("lost") AS "lost" FROM "info" WHERE $timeFilter GROUP BY "device"'

    def broker(group: str, figure: str) -> str:
        return f'FROM "broker" WHERE "group" = \'{group}\' AND "figure" = \'{figure}\' AND'

    return (
        dashboard("Pipeline", "mote-pipeline", "3h")
        .with_panel(
            number(
                "Dropped by the broker",
                f'SELECT spread("value") {broker("publish", "dropped")} $timeFilter',
                OPERATIONS,
                bad_from=1,
            )
        )
        .with_panel(
            number(
                "Dropped by Telegraf",
                f'SELECT spread("metrics_dropped") {telegraf} $timeFilter',
                OPERATIONS,
                bad_from=1,
            )
        )
        .with_panel(
            number("Lost on devices", f'SELECT sum("lost") FROM ({lost})', OPERATIONS, bad_from=1)
        )
        .with_panel(
            number(
                "Clients of the broker",
                f'SELECT last("value") {broker("clients", "connected")} $timeFilter',
                OPERATIONS,
            )
        )
        .with_panel(
            lines(
                "Messages to the broker",
                'SELECT non_negative_derivative(last("value"), 1s) AS "a second" '
                f"{broker('publish', 'received')} {_TIME} fill(none)",
                OPERATIONS,
            )
        )
        .with_panel(
            lines(
                "Readings to the database",
                'SELECT non_negative_derivative(last("metrics_written"), 1s) AS "a second" '
                f"{telegraf} {_TIME} fill(none)",
                OPERATIONS,
            )
        )
        .with_panel(
            lines(
                "Messages in the broker's store",
                f'SELECT max("value") AS "messages" {broker("store", "count")} {_TIME} fill(none)',
                OPERATIONS,
            )
        )
        .with_panel(
            lines(
                "Readings that wait for the database",
                f'SELECT max("buffer_size") AS "readings" {telegraf} {_TIME} fill(none)',
                OPERATIONS,
            )
        )
        .with_panel(
            lines(
                "Time of a write",
                f'SELECT max("write_time_ns") AS "took" {telegraf} {_TIME} fill(none)',
                OPERATIONS,
                unit="ns",
            )
        )
        .with_panel(
            lines(
                "Failed writes",
                'SELECT non_negative_difference(last("write_errors")) AS "failed" '
                f"{telegraf} {_TIME} fill(none)",
                OPERATIONS,
            )
        )
    )
