"""Profile `full`: readings on the screen within a second, last values, logs."""

from grafana_foundation_sdk.builders import gauge, logs, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue
from panels import HALF, LOW, ONLINE, WIDE, dashboard, values_variable, with_units

# Fixed names of the data sources in full/datasources.yaml.
LIVE = DataSourceRef(type_val="grafana-mqtt-datasource", uid="mote-live")
LAST = DataSourceRef(type_val="redis-datasource", uid="mote-last")
LOGS = DataSourceRef(type_val="loki", uid="mote-logs")
_TALL = 9
# Which service said it, and without the colours that some give their lines.
_SAID = 'decolorize | line_format "{{.service}}: {{__line__}}"'


class Query(Builder[Dataquery], Dataquery):
    """One query of a plugin, which the library has no builder for."""

    def __init__(self, source: DataSourceRef, **fields: object) -> None:
        self._entry = {
            "refId": "A",
            "datasource": {"type": source.type_val, "uid": source.uid},
            **fields,
        }

    def build(self) -> Dataquery:
        return self

    def to_json(self) -> dict[str, object]:
        return self._entry


def live() -> Dashboard:
    """What one device measures now. No wildcards: the plugin makes one line of all topics."""
    topic = "sensors/${device}/${metric}"
    metrics = 'SHOW TAG VALUES FROM "sensors" WITH KEY = "metric" WHERE "device" =~ /^$device$/'
    return (
        dashboard("Live", "mote-live", "5m")
        .refresh("")
        .with_variable(
            values_variable("device", 'SHOW TAG VALUES FROM "sensors" WITH KEY = "device"')
        )
        .with_variable(values_variable("metric", metrics))
        .with_panel(
            timeseries.Panel()
            .title("$metric of $device, as it comes")
            .datasource(LIVE)
            .with_target(Query(LIVE, topic=topic))
            .span(WIDE - 8)
            .height(_TALL)
        )
        .with_panel(
            gauge.Panel()
            .title("$metric now")
            .datasource(LIVE)
            .with_target(Query(LIVE, topic=topic))
            .span(8)
            .height(_TALL)
        )
        .with_panel(with_units(_last("Last values of $device", "values:${device}")))
        .with_panel(_state())
        .with_panel(
            logs.Panel()
            .title("Logs: warnings and errors of all services")
            .datasource(LOGS)
            .with_target(
                Query(
                    LOGS,
                    expr=f'{{service=~".+"}} |~ "(?i)warn|error" | {_SAID}',
                    queryType="range",
                )
            )
            .show_time(True)
            .span(WIDE)
            .height(_TALL)
        )
    )


def _last(title: str, key: str) -> table.Panel:
    return (
        table.Panel()
        .title(title)
        .datasource(LAST)
        .with_target(
            Query(LAST, type="command", command="hgetall", keyName=key, query="", streaming=False)
        )
        .span(HALF)
        .height(LOW)
    )


def _state() -> table.Panel:
    """Whether it is online, and since when: Redis has seconds, Grafana counts milliseconds."""
    product = {"left": "changed", "operator": "*", "right": "1000"}
    since = {"mode": "binary", "binary": product, "alias": "since"}
    order = {"excludeByName": {"changed": True}, "indexByName": {"online": 0, "since": 1}}
    return (
        _last("State of $device", "device:${device}")
        .with_transformation(DataTransformerConfig(id_val="calculateField", options=since))
        .with_transformation(DataTransformerConfig(id_val="organize", options=order))
        .override_by_name("since", [DynamicConfigValue(id_val="unit", value="dateTimeFromNow")])
        .override_by_name("online", [DynamicConfigValue(id_val="mappings", value=[ONLINE])])
    )
