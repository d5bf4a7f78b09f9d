"""The pages: all devices at a glance, and one device with its charts."""

from typing import TYPE_CHECKING

from nicegui import ui

from motekit.hub.dashboard.device import device_page
from motekit.hub.dashboard.overview import overview_page

if TYPE_CHECKING:
    from motekit.hub.hub import Hub


def add(hub: "Hub") -> None:
    """Register the pages of `hub`."""

    @ui.page("/")
    def overview() -> None:
        overview_page(hub)

    @ui.page("/device/{device}")
    def device(device: str) -> None:
        device_page(hub, device)
