"""One device: what it says of itself, and a chart a metric, live or over a longer time."""

import json
import time
from typing import TYPE_CHECKING

from nicegui import ui

from motekit.hub.dashboard.chart import history_series, line_chart, live_series
from motekit.hub.dashboard.frame import age, frame
from motekit.hub.metrics import describe, rank, show

if TYPE_CHECKING:
    from motekit.hub.hub import Hub

REFRESH_S = 2.0
POINTS = 2_000
# Range -> (seconds, seconds a point).
RANGES = {
    "Live": (300, 0),
    "1 h": (3_600, 15),
    "24 h": (86_400, 300),
    "7 d": (604_800, 1_800),
    "30 d": (2_592_000, 7_200),
}
_INFO = (
    ("version", "Firmware", ""),
    ("board", "Board", ""),
    ("ip", "Address", ""),
    ("rssi", "Signal", " dBm"),
    ("heap", "Free memory", " B"),
    ("reset", "Last start", ""),
    ("queue", "Waiting", ""),
    ("lost", "Dropped", ""),
)


def device_page(hub: "Hub", name: str) -> None:
    """Build the page of device `name` for one visitor."""
    page = frame(name, back=True)
    known = {device.id: device for device in hub.store.devices()}
    with page:
        if name not in known:
            ui.label(f"There is no device {name}").classes("m-title")
            ui.label("It may not have spoken yet.").classes("m-sub")
            return
        with ui.element("div").classes("m-row"):
            ui.label(name).classes("m-title").props('role="heading" aria-level="1"')
            status = ui.label().classes("m-status")
        spans = ui.toggle(list(RANGES), value="Live").props(
            "no-caps unelevated dense padding='sm md'"
        )
        charts = ui.element("section").classes("m-grid").props('aria-label="Charts"')
        about = ui.element("section").classes("m-card")
    view = _Charts(hub, name, charts)

    def refresh() -> None:
        device = next(d for d in hub.store.devices() if d.id == name)
        since = "" if device.online else f", {age(device.changed_ns)}"
        status.set_text(device.state + since)
        status.classes(add="on" if device.online else "", remove="" if device.online else "on")
        view.refresh(str(spans.value))

    spans.on_value_change(lambda _: refresh())
    refresh()
    _about(about, known[name].info)
    ui.timer(REFRESH_S, refresh)


class _Charts:
    """A chart for each metric of a device."""

    def __init__(self, hub: "Hub", device: str, place: ui.element) -> None:
        self._hub = hub
        self._device = device
        self._place = place
        self._charts: dict[str, tuple[ui.label, ui.echart]] = {}

    def refresh(self, span: str) -> None:
        seconds, step = RANGES[span]
        since = time.time_ns() - seconds * 10**9
        for reading in sorted(self._hub.store.latest(), key=lambda r: rank(r.metric)):
            if reading.device != self._device:
                continue
            metric = reading.metric
            if metric not in self._charts:
                self._charts[metric] = self._card(metric)
            value, chart = self._charts[metric]
            value.set_text(show(metric, reading.value))
            if step:
                buckets = self._hub.store.history(self._device, metric, since, step * 10**9)
                chart.options["series"] = history_series(metric, buckets)
            else:
                readings = self._hub.store.readings(self._device, metric, since, POINTS)
                chart.options["series"] = [live_series(describe(metric).label, readings)]
            chart.update()

    def _card(self, metric: str) -> tuple[ui.label, ui.echart]:
        shown = describe(metric)
        with self._place, ui.element("div").classes("m-card").props(f'data-metric="{metric}"'):
            with ui.element("div").classes("m-row"):
                ui.label(shown.label).classes("m-label grow")
                with ui.element("span").classes("m-value"):
                    value = ui.label().classes("inline").props("data-value")
                    ui.label(f" {shown.unit}").classes("inline m-unit")
            chart = line_chart()
            chart.options["legend"]["show"] = False
        return value, chart


def _about(place: ui.element, text: str) -> None:
    info = json.loads(text)
    place.set_visibility(bool(info))
    with place:
        ui.label("About this board").classes("m-name")
        for key, label, unit in _INFO:
            if key in info:
                with ui.element("div").classes("m-row m-metric"):
                    ui.label(label).classes("m-label grow")
                    ui.label(f"{info[key]}{unit}")
