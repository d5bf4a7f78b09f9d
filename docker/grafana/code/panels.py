"""The few kinds of panels that the dashboards are made of."""

from typing import TypeVar

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.common import VizLegendOptions, VizTooltipOptions
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    ThresholdsConfig,
)
from grafana_foundation_sdk.models.common import SortOrder, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
    VariableRefresh,
    VariableSort,
)
from mote.units import UNITS
from queries import CHOSEN, READINGS, InfluxQL, source

WIDE, HALF, QUARTER = 24, 12, 6
LOW, _TALL, _HIGH = 4, 9, 12
_DEVICE = "/d/mote-device?${__url_time_range}&var-device="
ONLINE = ValueMap(
    options={
        "0": ValueMappingResult(text="offline", color="red"),
        "1": ValueMappingResult(text="online", color="green"),
    }
)
_Drawn = TypeVar("_Drawn", timeseries.Panel, statetimeline.Panel)
_Named = TypeVar("_Named", timeseries.Panel, table.Panel)


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


def number(
    title: str,
    query: str,
    uid: str,
    bad_from: float | None = None,
    bad_below: float | None = None,
    unit: str = "",
    nothing: str = "0",
) -> stat.Panel:
    """One figure, `nothing` where there is none; red from `bad_from` on, or below `bad_below`."""
    below = "green" if bad_below is None else "red"
    steps = [Threshold(value=None, color=below)]
    if bad_below is not None:
        steps.append(Threshold(value=bad_below, color="green"))
    if bad_from is not None:
        steps.append(Threshold(value=bad_from, color="red"))
    panel = (
        stat.Panel()
        .title(title)
        .datasource(source(uid))
        .with_target(InfluxQL(query))
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .no_value(nothing)
        .span(QUARTER)
        .height(LOW)
    )
    return panel.unit(unit) if unit else panel


def lines(
    title: str, query: str, uid: str, alias: str = "$col", unit: str = "", span: int = HALF
) -> timeseries.Panel:
    """Lines over time, named by `alias`; gaps stay gaps, but for a missing interval or two.

    Without a `unit`, a line named by its metric has that one's.
    """
    panel = (
        timeseries.Panel()
        .title(title)
        .datasource(source(uid))
        .with_target(InfluxQL(query, alias))
        .legend(VizLegendOptions().show_legend(True))
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .span(span)
        .height(_TALL)
    )
    return panel.unit(unit) if unit else with_units(panel)


def rows(title: str, query: str, uid: str) -> table.Panel:
    """A table, a row for each group of the query; without the time, which is that of no row."""
    return (
        table.Panel()
        .title(title)
        .datasource(source(uid))
        .with_target(InfluxQL(query, table=True))
        .with_transformation(
            DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}})
        )
        .override_by_name("device", [_leads_to_device("${__value.text}")])
        .span(WIDE)
        .height(_TALL)
    )


def matrix(title: str, query: str, uid: str) -> table.Panel:
    """A table with a row for each device and a column, with its unit, for each metric."""
    panel = (
        table.Panel()
        .title(title)
        .datasource(source(uid))
        .with_target(InfluxQL(query, table=True))
        .with_transformation(
            DataTransformerConfig(
                id_val="groupingToMatrix",
                options={"rowField": "device", "columnField": "metric", "valueField": "last"},
            )
        )
        .override_by_name(
            "device\\metric",
            [
                DynamicConfigValue(id_val="displayName", value="device"),
                _leads_to_device("${__value.text}"),
            ],
        )
        .span(WIDE)
        .height(_TALL)
    )
    return with_units(panel)


def presence(query: str, uid: str, height: int = _HIGH) -> statetimeline.Panel:
    """When devices were online and offline."""
    return (
        statetimeline.Panel()
        .title("Online")
        .datasource(source(uid))
        .with_target(InfluxQL(query, "$tag_device"))
        .mappings([ONLINE])
        .span(WIDE)
        .height(height)
    )


def leading_to_devices(panel: _Drawn) -> _Drawn:
    """The panel, with a click on what is named by a device leading to that device."""
    return panel.override_by_regexp("/.*/", [_leads_to_device("${__field.labels.device}")])


def with_units(panel: _Named) -> _Named:
    """The panel, with the unit of contract 1 for each field that is named by a metric."""
    # Of two that fit, Grafana takes the later one, and the contract the earlier one.
    for name, (_, unit) in reversed(UNITS.items()):
        known = f"/(^|[_ ]){name}(_|$)/"
        panel = panel.override_by_regexp(known, [DynamicConfigValue(id_val="unit", value=unit)])
    return panel


def _leads_to_device(name: str) -> DynamicConfigValue:
    link = {"title": "What it measures", "url": _DEVICE + name, "targetBlank": False}
    return DynamicConfigValue(id_val="links", value=[link])


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
