"""Charts in one style, from readings or from buckets of a history."""

from collections.abc import Iterable
from typing import Any

from nicegui import ui

from motekit.hub.dashboard.frame import PALETTE
from motekit.hub.metrics import describe
from motekit.hub.store import Bucket, Reading

SOFT = "#7d8f86"
LINE = "rgba(125,143,134,.18)"
MS = 1_000_000


def line_chart() -> ui.echart:
    """An empty chart over time."""
    axis = {"axisLabel": {"color": SOFT, "hideOverlap": True},
            "splitLine": {"lineStyle": {"color": LINE}}}  # fmt: skip
    return ui.echart(
        {
            "color": PALETTE,
            "animation": False,
            "grid": {"left": 8, "right": 28, "top": 34, "bottom": 4, "containLabel": True},
            "legend": {"type": "scroll", "top": 0, "left": 0, "textStyle": {"color": SOFT}, "icon": "roundRect"},
            "tooltip": {"trigger": "axis"},
            "xAxis": {"type": "time", **axis, "splitLine": {"show": False}},
            "yAxis": {"type": "value", "scale": True, **axis},
            "series": [],
        }
    ).classes("m-chart")  # fmt: skip


def live_series(name: str, readings: Iterable[Reading]) -> dict[str, Any]:
    """Readings as a line."""
    points = [[reading.time_ns // MS, reading.value] for reading in readings]
    return {
        "name": name,
        "type": "line",
        "showSymbol": False,
        "lineStyle": {"width": 2},
        "data": points,
    }


def history_series(metric: str, buckets: list[Bucket]) -> list[dict[str, Any]]:
    """A history as its mean, with the band between the least and the greatest value behind it."""
    label = describe(metric).label
    low = [[b.time_ns // MS, b.low] for b in buckets]
    band = [[b.time_ns // MS, b.high - b.low] for b in buckets]
    mean = [[b.time_ns // MS, b.mean] for b in buckets]
    quiet = {"type": "line", "stack": "band", "symbol": "none", "silent": True,
             "lineStyle": {"opacity": 0}, "tooltip": {"show": False}}  # fmt: skip
    return [
        {**quiet, "data": low},
        {**quiet, "data": band, "areaStyle": {"color": PALETTE[0], "opacity": 0.14}},
        {"name": label, "type": "line", "showSymbol": False, "data": mean,
         "lineStyle": {"width": 2, "color": PALETTE[0]}, "itemStyle": {"color": PALETTE[0]}},
    ]  # fmt: skip
