"""Stays online: joins the WiFi, logs in to the server, again and again; opens the portal beside."""

import asyncio

from mote import failure, led, log, memory, patience, system
from mote.backoff import Backoff
from mote.failure import Failure
from mote.mqtt import MODULES as MQTT
from mote.wifi import station

# `isconnected` does not notice every loss: a server that stays silent may be the radio's fault.
REJOIN_AFTER = 3
_SILENCE = (failure.NAME_NOT_FOUND, failure.UNREACHABLE, failure.NO_ANSWER)
# What is loaded for the portal alone.
_PORTAL = ("mote.setup", "mote.portal", "mote.trial", "mote.qr")
_STEP_MS = 1_000


class Online:
    """Runs `session(client)` for each login, which returns how many ms the connection held.

    `end(why, mode)` is called when the board has to restart.
    """

    def __init__(self, settings, session, end):
        self._settings = settings
        self._session = session
        self._end = end
        self._portal = None
        self._wifi = Backoff()
        self._server = Backoff()

    async def stay(self):
        """For ever; only cancelling ends it."""
        silent = 0
        while True:
            try:
                if not station.address() or silent >= REJOIN_AFTER:
                    silent = 0
                    await self._join()
                led.show("joining")
                # Loaded when there is a network: without one the portal needs its memory.
                from mote.mqtt.client import Client

                client = Client(self._settings)
                await client.connect()
                silent = 0
                if await self._session(client) >= patience.CONNECTION_STEADY_MS:
                    self._server.over()
            except Failure as error:
                log.warning("run: %s" % error)
                silent += error.reason in _SILENCE
                if error.step in ("join", "address"):
                    continue
            self._server.failed()
            # A connection that went with the WiFi is not the server's fault: it need not wait.
            if station.address():
                led.show("error")
                await asyncio.sleep_ms(self._server.pause_ms())

    async def _join(self):
        """Join a known network. Raises Failure after a pause; opens the portal when it is time."""
        if not self._portal:
            led.show("joining")
        try:
            await station.join(self._settings["wifi"])
        except Failure:
            self._wifi.failed()
            pause_ms = self._wifi.pause_ms()
            if self._wifi.outage_ms() >= self._wifi_patience_ms():
                await self._open_portal()
            if self._portal:
                pause_ms = patience.RETRY_BESIDE_PORTAL_MS
            led.show("setup" if self._portal else "error")
            await asyncio.sleep_ms(pause_ms)
            # A phone on the portal has the radio for itself.
            while self._portal and self._portal.busy:
                await asyncio.sleep_ms(_STEP_MS)
            raise
        self._wifi.over()
        if self._portal and not self._portal.busy:
            log.info("run: the known WiFi is back, the portal closes")
            self._portal.close()
            self._portal = None
            memory.forget(*_PORTAL)

    def _wifi_patience_ms(self):
        if self._settings["deep_sleep"]:
            return patience.WIFI_LOST_ON_BATTERY_MS
        return patience.WIFI_LOST_MS

    async def _open_portal(self):
        if self._portal:
            return
        memory.forget(*MQTT)
        try:
            from mote.setup import Portal

            self._portal = Portal(self._settings, "wifi")
            await self._portal.open()
        except MemoryError:
            # With sensors that need much, one has to go: the portal is the way back.
            self._end("no memory for the portal beside running", "button")
            return
        asyncio.create_task(self._watch_portal())

    async def _watch_portal(self):
        while self._portal:
            if self._portal.finished:
                self._end("settings saved")
                return
            on_battery = self._settings["deep_sleep"]
            if on_battery and self._portal.unused_ms > patience.PORTAL_ON_BATTERY_MS:
                system.sleep(patience.SLEEP_ON_BATTERY_MS)
            await asyncio.sleep_ms(_STEP_MS)
