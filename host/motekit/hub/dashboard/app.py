"""Puts pages, JSON interface and login together, and serves them."""

import asyncio
import logging
import socket
import sqlite3
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from nicegui import ui

from motekit.hub.accounts import Accounts
from motekit.hub.dashboard import api, errors, feed, pages
from motekit.hub.dashboard.door import Door
from motekit.hub.dashboard.live import LiveState
from motekit.hub.dashboard.process import Settings
from motekit.hub.dashboard.stream import Update
from motekit.hub.listening import is_loopback
from motekit.hub.queries import StoreReader

LOGGER = logging.getLogger(__name__)
RETRY_S = 1.0
# Browsers send the cookies of every program of a host.
HEADERS_MAX = 2**20


class _Server(uvicorn.Server):
    """Leaves signals to the program that it is a part of."""

    def install_signal_handlers(self) -> None:
        """The hub ends the process by closing its standard input."""


class Dashboard:
    """The web server of a hub: behind a login unless only this machine can reach it."""

    def __init__(self, settings: Settings) -> None:
        self._store = StoreReader(Path(settings.data) / "readings.db")
        self._live = LiveState()
        application = FastAPI(title="Mote hub", docs_url=None, redoc_url=None, openapi_url=None)
        application.add_middleware(GZipMiddleware, minimum_size=2_000, compresslevel=5)
        errors.install(application)
        api.add(application, self._store, self._live)
        feed.add(application, self._store, self._live)
        pages.add(settings)
        ui.run_with(
            application,
            title="Mote",
            favicon=Path(__file__).with_name("favicon.svg"),
            language="en-US",
            dark=None,
            tailwind=False,
            gzip_middleware_factory=None,
            show_welcome_message=False,
        )
        accounts = Accounts(Path(settings.data))
        local = is_loopback(settings.http_host)
        config = uvicorn.Config(
            application if local else Door(application, accounts, settings.http_port),
            log_level="error",
            lifespan="on",
            h11_max_incomplete_event_size=HEADERS_MAX,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)

    async def serve(self, listener: socket.socket) -> None:
        """Serve on `listener` until stopped."""
        await self._read_store()
        await self._server.serve(sockets=[listener])

    async def started(self, serving: "asyncio.Task[None]") -> None:
        """Wait until pages are served, or `serving` ended."""
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.01)
        if serving.done():
            serving.result()
            raise RuntimeError("the web server ended before it began")

    async def update(self, update: Update) -> None:
        """Take in what the hub said."""
        if update.resync:
            await self._read_store()
        self._live.apply(update)

    def stop(self) -> None:
        """End `serve`."""
        self._server.should_exit = True

    async def _read_store(self) -> None:
        while True:
            try:
                devices = await asyncio.to_thread(self._store.devices)
                latest = await asyncio.to_thread(self._store.latest)
                break
            except sqlite3.Error as error:
                LOGGER.warning("the store cannot be read: %s; trying again", error)
                await asyncio.sleep(RETRY_S)
        self._live.begin(devices, latest)
