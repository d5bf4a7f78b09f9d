"""The few kinds of panels that the dashboards are made of."""

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    ThresholdsConfig,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
    VariableRefresh,
    VariableSort,
)
from queries import CHOSEN, READINGS, InfluxQL, source

WIDE, HALF, QUARTER = 24, 12, 6
_LOW, _TALL = 4, 9


def dashboard(title: str, uid: str, span: str) -> Dashboard:
    """An empty dashboard over the last `span`, which looks for news every half minute."""
    return (
        Dashboard(title)
        .uid(uid)
        .tags(["mote"])
        .time(f"now-{span}", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
    )


def number(title: str, query: str, uid: str, bad_from: float | None = None) -> stat.Panel:
    """One figure; red from `bad_from` on."""
    steps = [Threshold(value=None, color="green")]
    if bad_from is not None:
        steps.append(Threshold(value=bad_from, color="red"))
    return (
        stat.Panel()
        .title(title)
        .datasource(source(uid))
        .with_target(InfluxQL(query))
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .no_value("0")
        .span(QUARTER)
        .height(_LOW)
    )


def lines(
    title: str, query: str, uid: str, alias: str = "$col", unit: str = "", span: int = HALF
) -> timeseries.Panel:
    """Lines over time, named by `alias`; gaps stay gaps, but for a missing interval or two."""
    panel = (
        timeseries.Panel()
        .title(title)
        .datasource(source(uid))
        .with_target(InfluxQL(query, alias))
        .span(span)
        .height(_TALL)
    )
    return panel.unit(unit) if unit else panel


def rows(title: str, query: str, uid: str) -> table.Panel:
    """A table, a row for each group of the query."""
    return (
        table.Panel()
        .title(title)
        .datasource(source(uid))
        .with_target(InfluxQL(query, table=True))
        .span(WIDE)
        .height(_TALL)
    )


def presence(query: str, uid: str) -> statetimeline.Panel:
    """When devices were online and offline."""
    return (
        statetimeline.Panel()
        .title("Online")
        .datasource(source(uid))
        .with_target(InfluxQL(query, "$tag_device"))
        .mappings(
            [
                ValueMap(
                    options={
                        "0": ValueMappingResult(text="offline", color="red"),
                        "1": ValueMappingResult(text="online", color="green"),
                    }
                )
            ]
        )
        .span(WIDE)
        .height(_TALL)
    )


def span_variable() -> DatasourceVariable:
    """How far back and how fine: the data source itself is what a person chooses."""
    return (
        DatasourceVariable(CHOSEN.strip("${}"))
        .label("Resolution")
        .type("influxdb")
        .regex("/^Readings/")
    )


def values_variable(name: str, query: str, every: bool = False) -> QueryVariable:
    """A choice among the values of a tag; with `every`, all of them until one is chosen."""
    variable = (
        QueryVariable(name)
        .label(name.capitalize())
        .datasource(source(READINGS))
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
    return variable.multi(True).include_all(True) if every else variable
