"""The board's own network with the portal, and what a phone may want of the board by it."""

import asyncio
import time

from mote import board, contract, led, log, memory, patience, tasks
from mote.failure import NO_MEMORY, Failure
from mote.mqtt import MODULES as MQTT
from mote.portal import PAGES, dns_server, http
from mote.portal.site import SAVED, TRYING, Site
from mote.wifi import access_point, scan, station

_CLIENTS_BESIDE = 2
# The portal asks its own servers this often whether they still answer.
_SELF_CHECK_MS = 20_000
# After so many requests in a row without memory it is not a matter of a moment.
_STARVED = 3


class Portal:
    """The access point with its DNS, pages and trial. Open it once, close it once.

    `beside` a board that is online, or measures, it has little memory: few phones at once, and what
    only they need is loaded for each visit.
    """

    may_be_named = True

    def __init__(self, settings, reason, traceback="", beside=False):
        self._beside = beside
        self.wants_start = False
        self._settings = settings
        self._password = board.portal_password(settings)
        self._saved_ms = self._told_ms = None
        self._requests = 0
        self._used_ms = time.ticks_ms()
        # The scan comes before the access point: it takes the radio away from its clients.
        name = settings["id"] if settings else board.default_id()
        self.site = Site(self, name, settings, reason, traceback)
        # The networks of that scan are told first; who goes on asking wants to see them change.
        self._fresh = True
        self._server = self._serving()
        # Server -> what runs it, its task, and its checks in a row that failed.
        self._serve = {"DNS": _serve_names, "HTTP": self._server.serve}
        self._tasks = {}
        self._failed = {}

    async def open(self):
        """Open the network; returns when a phone that joins finds everything listening."""
        ssid = board.default_id()
        access_point.open_network(ssid, self._password)
        for name in self._serve:
            self._start(name)
        self._checked_ms = time.ticks_ms()
        # Two turns of the loop: both listen before anyone is told to come.
        await asyncio.sleep_ms(0)
        await asyncio.sleep_ms(0)
        led.show("setup")
        memory.free_heap()
        self._tell(ssid)

    def _serving(self):
        elsewhere = self.site.elsewhere
        if self._beside:
            return http.Server(
                self._answer, clients=_CLIENTS_BESIDE, idle=_forget_pages, elsewhere=elsewhere
            )
        return http.Server(self._answer, elsewhere=elsewhere)

    def _start(self, name):
        self._tasks[name] = tasks.start(self._serve[name]())

    def supervise(self):
        """Start servers again that have ended or no longer answer. To be called every second."""
        for name, task in self._tasks.items():
            if task.done():
                self._restart(name, "ended")
        now = time.ticks_ms()
        if time.ticks_diff(now, self._checked_ms) > _SELF_CHECK_MS:
            self._checked_ms = now
            # Sockets are few: while somebody uses them, there is no check.
            if not self._server.busy and not self.trying:
                tasks.start(self._check())

    async def _check(self):
        try:
            from mote.portal import self_check

            for name in await self_check.silent(contract.PORTAL_ADDRESS, self._failed):
                self._restart(name, "does not answer")
        except MemoryError:
            # The next check comes.
            pass
        memory.forget("mote.portal.self_check")

    def _restart(self, name, why):
        log.error("portal: the %s server %s: it starts again" % (name, why))
        self._tasks[name].cancel()
        self._start(name)

    async def _answer(self, request):
        # Each request begins with a tidy heap: four phones at once fit into it.
        memory.free_heap()
        response = await self.site.handle(request)
        memory.free_heap()
        return response

    def close(self):
        """Take the network off the air."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        access_point.close_network()

    def unlock(self):
        """BOOT was held: a person is at the board, and may change everything."""
        if self.site.limited:
            self.site.limited = False
            log.info("setup: BOOT was held: the form changes everything")

    @property
    def starved(self):
        """True when there is not the memory to serve phones."""
        return self._server.starved >= _STARVED

    @property
    def trying(self):
        """True while a trial runs: it joins and logs in as the board that it is to become."""
        return self.site.state == TRYING

    @property
    def busy(self):
        """True while a phone is there or a trial runs: nobody else may use the radio."""
        if self.trying or access_point.has_clients():
            return True
        return self.site.requests > 0 and self.unused_ms < patience.VISIT_MS

    @property
    def unused_ms(self):
        """Milliseconds since somebody was there."""
        now = time.ticks_ms()
        used = access_point.has_clients() or self.trying
        if used or self._requests != self.site.requests:
            self._requests = self.site.requests
            self._used_ms = now
        return time.ticks_diff(now, self._used_ms)

    @property
    def finished(self):
        """True when settings are saved and the phone had the time to read it."""
        if self.site.state != SAVED:
            return False
        now = time.ticks_ms()
        if self._saved_ms is None:
            self._saved_ms = now
            log.info("%s%d B" % (contract.LOG_HEAP, memory.heap_low()))
        if self.site.told_saved and self._told_ms is None:
            self._told_ms = now
        if time.ticks_diff(now, self._saved_ms) > patience.SAVED_UNTOLD_MS:
            return True
        told = self._told_ms
        return told is not None and time.ticks_diff(now, told) > patience.SAVED_TOLD_MS

    def converse(self, talk):
        # Few boards ever meet an installer: what answers is loaded with the first command.
        from mote.improv import conversation

        return conversation.met(talk, self.site, self)

    def scan(self):
        return scan.networks()

    def search(self):
        """Look for networks anew, unless that takes the radio away from somebody."""
        fresh, self._fresh = self._fresh, False
        if not fresh and not self.trying and not access_point.has_clients():
            self.site.networks = scan.networks() or self.site.networks
        return True

    @property
    def chip(self):
        return board.chip()

    def address(self):
        return station.address()

    def own_addresses(self):
        return (contract.PORTAL_ADDRESS, station.address())

    def start_once_more(self):
        self.wants_start = True

    def start_trial(self, document, stay):
        tasks.start(self._try(document, stay))

    async def _try(self, document, stay):
        # The answer to the phone goes out before the radio changes its channel.
        await asyncio.sleep_ms(500)
        try:
            known = self._settings and self._settings["mqtt"]
            failure, found = await _tried(document, self.site.step, stay, known)
        except MemoryError:
            self._server.starved += 1
            failure, found = Failure(NO_MEMORY), ()
            # How far it came is not known: no network counts as one that let the board in.
            failure.step = "join"
        memory.discard("mote.trial")
        memory.forget("mote.wifi.joining", *MQTT)
        if failure:
            log.warning("setup: trial: %s" % failure)
            self.site.failed_with(failure, found)
        else:
            self.site.succeeded(document)

    def _tell(self, ssid):
        """On the serial log: the name, the address and, where it holds no secret, the code."""
        lock = "with its password" if self._password else "no password"
        told = (contract.LOG_SETUP, ssid, lock, contract.PORTAL_ADDRESS)
        log.info("%s%s (%s), then http://%s/" % told)
        if not self._password:
            try:
                _show_code(ssid)
            except MemoryError:
                # Beside running: the name above is enough to join.
                pass
            memory.discard("mote.qr")


async def _serve_names():
    await dns_server.serve(contract.PORTAL_ADDRESS)


def _forget_pages():
    memory.discard(*PAGES)


def _show_code(ssid):
    from mote import qr

    for line in qr.lines(qr.wifi(ssid)):
        log.info("setup: " + line)


async def _tried(document, progress, stay, known):
    # MQTT is loaded when it is wanted: until then, and after it, the phones have its memory.
    from mote import trial

    return await trial.run(document, progress, stay, known)
