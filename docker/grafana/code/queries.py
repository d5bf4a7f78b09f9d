"""InfluxQL for panels and alerts, and the databases it is asked in.

InfluxQL, not Flux: it runs on InfluxDB 1, 2 and 3, so the dashboards outlive the engine.
"""

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef

# Fixed names of the data sources in provisioning/datasources/influxdb.yaml.
READINGS = "mote-readings"
MINUTES = "mote-minutes"
HOURS = "mote-hours"
OPERATIONS = "mote-operations"
# The variable by which a person chooses how far back and how fine.
CHOSEN = "${span}"


class InfluxQL(Builder[Dataquery], Dataquery):
    """One InfluxQL query; `alias` names the lines, `table` asks for rows instead of lines."""

    def __init__(self, text: str, alias: str = "", table: bool = False, source: str = "") -> None:
        self._text = text
        self._alias = alias
        self._table = table
        self._source = source

    def build(self) -> Dataquery:
        return self

    def to_json(self) -> dict[str, object]:
        entry: dict[str, object] = {
            "refId": "A",
            "query": self._text,
            "rawQuery": True,
            "resultFormat": "table" if self._table else "time_series",
        }
        if self._alias:
            entry["alias"] = self._alias
        if self._source:
            entry["datasource"] = {"type": "influxdb", "uid": self._source}
        return entry


def source(uid: str) -> DataSourceRef:
    """The data source `uid`, as panels and variables refer to it."""
    return DataSourceRef(type_val="influxdb", uid=uid)
