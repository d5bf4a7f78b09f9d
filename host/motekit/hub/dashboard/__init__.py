"""The dashboard in the browser: pages, a small JSON interface, and the door in front of both."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn import Server

    from motekit.hub.hub import Hub


def server(hub: "Hub") -> "Server":
    """The web server of a hub, to be run in its event loop."""
    # One place imports NiceGUI, which takes a second.
    from motekit.hub.dashboard import app

    return app.server(hub)
