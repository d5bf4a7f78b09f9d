"""Puts pages, JSON interface and door together and makes the web server."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from motekit.hub.broker import is_loopback
from motekit.hub.dashboard import api, door, pages

if TYPE_CHECKING:
    from motekit.hub.hub import Hub


class _Server(uvicorn.Server):
    """Leaves signals to the program that it is a part of."""

    def install_signal_handlers(self) -> None:
        """Ctrl-C stops the hub, which stops this server."""


def server(hub: "Hub") -> uvicorn.Server:
    """The web server of `hub`: behind a login unless only this machine can reach it."""
    application = FastAPI(title="Mote hub", docs_url=None, redoc_url=None, openapi_url=None)
    api.add(application, hub)
    pages.add(hub)
    ui.run_with(
        application,
        title="Mote",
        favicon=Path(__file__).with_name("favicon.svg"),
        storage_secret=secrets.token_hex(16),
        show_welcome_message=False,
    )
    guarded = application if is_loopback(hub.http_host) else door.Door(application, hub.accounts)
    assert hub.http_port is not None
    config = uvicorn.Config(
        guarded,
        host=hub.http_host,
        port=hub.http_port,
        log_level="error",
        lifespan="on",
        timeout_graceful_shutdown=1,
    )
    return _Server(config)
