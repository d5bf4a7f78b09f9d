"""Puts pages, JSON interface and login together, and serves them."""

import asyncio
import logging
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from jinja2 import BaseLoader, Environment
from nicegui import client as nicegui_client
from nicegui import ui

from motekit.hub.accounts import Accounts
from motekit.hub.dashboard import api, errors, feed, pages
from motekit.hub.dashboard.door import Door
from motekit.hub.dashboard.guard import Guard, nonce
from motekit.hub.dashboard.live import LiveState
from motekit.hub.dashboard.process import Settings
from motekit.hub.dashboard.stream import Update
from motekit.hub.listening import is_loopback
from motekit.hub.queries import StoreReader
from motekit.hub.tls import ServerContext, TlsError
from motekit.supervision import Supervisor

LOGGER = logging.getLogger(__name__)
RETRY_S = 1.0
# Browsers send the cookies of every program of a host.
HEADERS_MAX = 2**20
CERTIFICATE_EVERY_S = 60.0


class _Server(uvicorn.Server):
    """Leaves signals to the program that it is a part of."""

    def install_signal_handlers(self) -> None:
        """The hub ends the process by closing its standard input."""


class _WithNonces(BaseLoader):
    """NiceGUI's templates, whose own scripts get the nonce of the Content-Security-Policy.

    It is added to the template and not to what is filled in: a script that somebody smuggles into
    a value has none, and does not run.
    """

    def __init__(self, templates: BaseLoader) -> None:
        self._templates = templates

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, name, is_current = self._templates.get_source(environment, template)
        return source.replace("<script", '<script nonce="{{ csp_nonce() }}"'), name, is_current


def _allow_own_scripts() -> None:
    templates = nicegui_client.templates.env
    if templates.loader and not isinstance(templates.loader, _WithNonces):
        templates.loader = _WithNonces(templates.loader)
        templates.globals["csp_nonce"] = nonce.get


class Dashboard:
    """The web server of a hub: behind a login unless only this machine can reach it."""

    def __init__(self, settings: Settings) -> None:
        self._store = StoreReader(Path(settings.data) / "readings.db")
        self._live = LiveState()
        application = FastAPI(title="Mote hub", docs_url=None, redoc_url=None, openapi_url=None)
        application.add_middleware(GZipMiddleware, minimum_size=2_000, compresslevel=5)
        errors.install(application)
        api.add(application, self._store, self._live)
        api.add_authority(application, settings.ca)
        feed.add(application, self._store, self._live)
        pages.add(settings)
        _allow_own_scripts()
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
        data, local = Path(settings.data), is_loopback(settings.http_host)
        door = Door(application, Accounts(data), data, settings.http_port, is_local=local)
        self._tls: ServerContext | None = None
        if settings.certificate:
            self._tls = ServerContext(Path(settings.certificate), Path(settings.key))
        tls = self._tls
        config = uvicorn.Config(
            Guard(door, settings.allowed_hosts),
            log_level="error",
            ssl_context_factory=(lambda _config, _default: tls.context) if tls else None,
            # Nobody is to choose the address that wrong passwords are counted for.
            proxy_headers=False,
            server_header=False,
            lifespan="on",
            h11_max_incomplete_event_size=HEADERS_MAX,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)

    async def serve(self, listener: socket.socket) -> None:
        """Serve on `listener` until stopped."""
        await self._read_store()
        background = Supervisor()
        if self._tls:
            background.keep("the renewal of the certificate", self._renew_certificate)
        try:
            await self._server.serve(sockets=[listener])
        finally:
            await background.stop()

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

    async def _renew_certificate(self) -> None:
        while self._tls:
            await asyncio.sleep(CERTIFICATE_EVERY_S)
            try:
                self._tls.reload()
            except TlsError as error:
                LOGGER.error("%s; the one before it is used on", error)

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
