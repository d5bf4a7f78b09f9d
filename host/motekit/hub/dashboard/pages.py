"""The pages: all devices at a glance, and one device with its charts.

What they show is made in the browser (`web`), out of what it asks of `feed`.
"""

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from nicegui import app as nicegui_app
from nicegui import ui

# Brings ECharts into what pages can import.
from nicegui.elements.echart import EChart as _EChart  # noqa: F401

from motekit.hub.dashboard.feed import RANGES
from motekit.hub.dashboard.frame import frame
from motekit.hub.dashboard.plain_page import plain_page
from motekit.hub.dashboard.process import Settings
from motekit.hub.listening import is_loopback, own_addresses

_SHARED = {"mote-dashboard": "web"}


class _Overview(ui.element, component="web/overview.js", esm=_SHARED):
    """All devices; `empty` says what to do while there is none."""

    def __init__(self, empty: list[str]) -> None:
        super().__init__()
        self._props["empty"] = empty


class _Device(ui.element, component="web/device.js", esm=_SHARED):
    """One device."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self._props["device"] = device
        self._props["ranges"] = list(RANGES)


def add(settings: Settings) -> None:
    """Register the pages."""

    @ui.page("/")
    def overview() -> None:
        with frame(""):
            _Overview(first_steps(settings))

    @ui.page("/device/{device}")
    def device(device: str) -> None:
        with frame(device, back=True):
            _Device(device)

    @nicegui_app.exception_handler(404)
    def not_found(request: Request, _: Exception) -> Response:
        if request.url.path.startswith("/api"):
            return JSONResponse({"error": "There is no such address"}, 404)
        text = '<p>There is no page with this address.</p><p><a href="/">All devices</a></p>'
        return HTMLResponse(plain_page("Not found", text), 404)


def first_steps(settings: Settings) -> list[str]:
    """What to do to see a device: the steps, and last another way; code is between backticks."""
    other = "No board at hand? `mote sim` starts a virtual one."
    if is_loopback(settings.mqtt_host):
        return [
            f"Boards cannot reach this hub: it listens on {settings.mqtt_host} only. Stop it, and "
            "start it without `--mqtt-host`.",
            other,
        ]
    if not settings.has_plain_mqtt:
        # The setup page has no field for a CA: the cable brings it.
        return [
            "Connect the board to this computer with USB; a new one needs `mote flash` first.",
            "Run `mote provision --id plant1 --wifi NAME`, with the name of your WiFi: it makes a "
            "login, and enters it with the address and the CA of this hub, which takes TLS only.",
            other,
        ]
    everywhere = settings.mqtt_host in ("0.0.0.0", "::")
    addresses = own_addresses() if everywhere else [settings.mqtt_host]
    named = " or ".join(f"`{address}`" for address in addresses) or "not in a network"
    return [
        "Make a login for the board: run `mote hub add plant1` and note the password.",
        "Power the board, and join its WiFi `IOT_…` with a phone. The setup page opens by itself "
        "(if not: `http://192.168.4.1`).",
        "Pick your WiFi and enter its password, `plant1` as Device ID, and the password of step 1 "
        "under Advanced. Leave the MQTT server empty: the board finds this hub by itself. If it "
        f"does not, enter this computer's address, {named}, with port `{settings.mqtt_port}`.",
        other,
    ]
