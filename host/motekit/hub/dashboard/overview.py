"""All devices at a glance, and one metric of all of them live."""

import time
from typing import TYPE_CHECKING

from nicegui import ui

from motekit.hub.dashboard.chart import line_chart, live_series
from motekit.hub.dashboard.frame import age, frame
from motekit.hub.metrics import describe, rank, show
from motekit.hub.store import Device, Reading

if TYPE_CHECKING:
    from motekit.hub.hub import Hub

REFRESH_S = 1.0
LIVE_S = 300
POINTS = 2_000


def overview_page(hub: "Hub") -> None:
    """Build the page for one visitor."""
    page = frame("")
    with page:
        summary = ui.column().classes("gap-0")
        grid = ui.element("section").classes("m-grid").props('aria-label="Devices"')
        live = ui.element("section").classes("m-card")
    cards = _Cards(hub, summary, grid)
    chart = _LiveChart(hub, live)

    def refresh() -> None:
        latest = sorted(hub.store.latest(), key=lambda r: (r.device, rank(r.metric)))
        cards.refresh(latest)
        chart.refresh(latest)

    refresh()
    ui.timer(REFRESH_S, refresh)


class _Cards:
    """A card a device; built anew only when a device or a metric comes, else its texts change."""

    def __init__(self, hub: "Hub", summary: ui.column, grid: ui.element) -> None:
        self._hub = hub
        self._summary = summary
        self._grid = grid
        self._shape: object = None
        self._status: dict[str, ui.label] = {}
        self._values: dict[tuple[str, str], tuple[ui.label, ui.label]] = {}

    def refresh(self, latest: list[Reading]) -> None:
        devices = self._hub.store.devices()
        shape = ([d.id for d in devices], [(r.device, r.metric) for r in latest])
        if shape != self._shape:
            self._shape = shape
            self._build(devices, latest)
        for device in devices:
            status = self._status[device.id]
            status.set_text(device.state)
            status.classes(add="on" if device.online else "", remove="" if device.online else "on")
        for reading in latest:
            value, when = self._values[reading.device, reading.metric]
            value.set_text(show(reading.metric, reading.value))
            when.set_text(age(reading.time_ns).removesuffix(" ago"))
        online = sum(device.online for device in devices)
        self._headline.set_text(f"{online} of {len(devices)} online" if devices else "")

    def _build(self, devices: list[Device], latest: list[Reading]) -> None:
        self._summary.clear()
        with self._summary:
            ui.label("Devices").classes("m-title").props('role="heading" aria-level="1"')
            self._headline = ui.label().classes("m-sub")
        self._grid.clear()
        with self._grid:
            if not devices:
                _nothing_yet(self._hub)
            for device in devices:
                self._card(device, [r for r in latest if r.device == device.id])

    def _card(self, device: Device, readings: list[Reading]) -> None:
        with (
            ui.link(target=f"/device/{device.id}")
            .classes("m-card")
            .props(f'data-device="{device.id}"')
        ):
            with ui.element("div").classes("m-row"):
                ui.label(device.id).classes("m-name")
                self._status[device.id] = ui.label().classes("m-status")
            for reading in readings:
                metric = describe(reading.metric)
                with (
                    ui.element("div")
                    .classes("m-row m-metric")
                    .props(f'data-metric="{reading.metric}"')
                ):
                    ui.label(metric.label).classes("m-label grow")
                    with ui.element("span").classes("m-value"):
                        value = ui.label().classes("inline").props("data-value")
                        ui.label(f" {metric.unit}").classes("inline m-unit")
                    when = ui.label().classes("m-age")
                    self._values[reading.device, reading.metric] = value, when


class _LiveChart:
    """One metric of every device over the last five minutes."""

    def __init__(self, hub: "Hub", place: ui.element) -> None:
        self._hub = hub
        self._place = place
        self._metrics: list[str] = []
        self._select: ui.select | None = None
        self._chart: ui.echart | None = None
        place.set_visibility(False)

    def refresh(self, latest: list[Reading]) -> None:
        metrics = sorted({reading.metric for reading in latest}, key=rank)
        if metrics and metrics != self._metrics:
            self._metrics = metrics
            self._build()
        if self._select is None or self._chart is None:
            return
        metric = str(self._select.value)
        since = time.time_ns() - LIVE_S * 10**9
        series = []
        for device in sorted({r.device for r in latest if r.metric == metric}):
            readings = self._hub.store.readings(device, metric, since, POINTS)
            series.append(live_series(device, readings))
        self._chart.options["series"] = series
        self._chart.update()

    def _build(self) -> None:
        chosen = self._select.value if self._select else self._metrics[0]
        self._place.clear()
        self._place.set_visibility(True)
        with self._place:
            with ui.element("div").classes("m-row items-center"):
                ui.label("Live").classes("m-name").props('role="heading" aria-level="2"')
                options = {metric: describe(metric).title for metric in self._metrics}
                self._select = (
                    ui.select(options, value=chosen)
                    .props('outlined dense options-dense aria-label="Metric"')
                    .classes("min-w-[10rem]")
                )
            self._chart = line_chart()


def _nothing_yet(hub: "Hub") -> None:
    with ui.element("div").classes("m-card m-empty"):
        ui.label("No device has spoken yet").classes("m-name")
        ui.html(
            "<p class='m-sub'>Power a board, join its network <code>IOT_…</code> with a phone, "
            f"and give it this computer's address and port <code>{hub.mqtt_port}</code> as its "
            "MQTT server. Make its password with <code>mote hub add DEVICE</code>.</p>"
            "<p class='m-sub'>No board at hand? <code>mote sim</code> starts a virtual one.</p>",
            sanitize=False,
        )
