"""Set-up mode: opens the board's own network with the portal, until settings are saved."""

import asyncio
import time

from mote import board, contract, log, system, trial
from mote.failure import Failure
from mote.portal import dns, http
from mote.portal.site import SAVED, TRYING, Site
from mote.wifi import access_point, scan, station

# The phone that has read "saved" needs no more; one that fell off the network may return.
_AFTER_TOLD_MS = 4_000
_AFTER_SAVED_MS = 20_000
# A board that has settings tries them again when nobody was on the portal for this long.
_RETRY_EVERY_MS = 30_000
# Somebody who held the button wants the portal: it stays for them.
_BUTTON_PATIENCE_MS = 300_000
_STEP_MS = 200


async def run(settings, reason):
    """Returns when settings were saved, or when the known WiFi is back.

    `settings` is the usable configuration, or None; `reason` why the board is here: "new",
    "damaged", "wifi" (cannot be reached), "button" or "erased".
    """
    await _Setup(settings, reason).run()


class _Setup:
    def __init__(self, settings, reason):
        self._settings = settings
        self._reason = reason
        self._name = settings["id"] if settings else board.default_id()
        self._trial = None
        # The scan comes before the access point: it takes the radio away from its clients.
        self._site = Site(
            self._name, settings, reason, scan.networks, self._start_trial, self._own_addresses
        )

    async def run(self):
        ssid = board.default_id()
        password = self._settings["portal_password"] if self._settings else ""
        access_point.open_network(ssid, password)
        tasks = [
            asyncio.create_task(dns.serve(contract.PORTAL_ADDRESS)),
            asyncio.create_task(http.Server(self._site.handle).serve()),
        ]
        # One turn of the loop: both listen before anyone is told to come.
        await asyncio.sleep_ms(0)
        system.free_heap()
        lock = "with its password" if password else "no password"
        log.info(
            "%s%s (%s), then http://%s/" % (contract.LOG_SETUP, ssid, lock, contract.PORTAL_ADDRESS)
        )
        try:
            if self._settings:
                await self._saved_or_back()
            else:
                await self._saved()
        finally:
            for task in tasks:
                task.cancel()
        access_point.close_network()

    def _own_addresses(self):
        return (contract.PORTAL_ADDRESS, station.address())

    def _start_trial(self, document):
        self._trial = asyncio.create_task(self._try(document))

    async def _try(self, document):
        # The answer to the phone goes out before the radio changes its channel.
        await asyncio.sleep_ms(500)
        failure = await trial.run(document, self._site.step)
        system.free_heap()
        if failure:
            log.warning("setup: trial: %s" % failure)
            self._site.failed_with(failure)
        else:
            self._site.succeeded()

    async def _saved(self):
        while self._site.state != SAVED:
            await asyncio.sleep_ms(_STEP_MS)
        saved = time.ticks_ms()
        while time.ticks_diff(time.ticks_ms(), saved) < _AFTER_SAVED_MS:
            if self._site.told_saved:
                await asyncio.sleep_ms(_AFTER_TOLD_MS)
                return
            await asyncio.sleep_ms(_STEP_MS)

    async def _saved_or_back(self):
        """Until saved, or until the known network is there again while nobody is on the portal."""
        patience_ms = _BUTTON_PATIENCE_MS if self._reason == "button" else _RETRY_EVERY_MS
        requests = -1
        quiet_since = time.ticks_ms()
        while self._site.state != SAVED:
            await asyncio.sleep_ms(_STEP_MS)
            if requests != self._site.requests or self._site.state == TRYING:
                requests = self._site.requests
                quiet_since = time.ticks_ms()
            elif time.ticks_diff(time.ticks_ms(), quiet_since) > patience_ms:
                if not access_point.has_clients() and await self._known_network_is_back():
                    return
                quiet_since = time.ticks_ms()
                patience_ms = _RETRY_EVERY_MS
        await self._saved()

    async def _known_network_is_back(self):
        try:
            await station.join(self._settings["wifi"])
        except Failure:
            return False
        log.info("setup: the known WiFi is back")
        return True
