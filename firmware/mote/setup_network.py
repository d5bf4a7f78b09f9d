"""The board's own network with the portal, and what a phone may want of the board by it."""

import asyncio
import time

from mote import board, contract, led, log, memory, patience, tasks
from mote.clock import uptime
from mote.failure import NO_MEMORY, NOT_JOINED, Failure
from mote.mqtt import MODULES as MQTT
from mote.portal import PAGES, dns_server, http
from mote.portal.site import SAVED, TRYING, Site
from mote.wifi import access_point, station

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
        # From then on no trial begins: the board takes its radio back.
        self.closing = False
        self._settings = settings
        self._password = board.portal_password(settings)
        self._saved_ms = self._told_ms = None
        # Whether a known WiFi is back, for which the portal closes.
        self.makes_room = False
        self._tries = False
        self._requests = 0
        self._used_ms = uptime.ms()
        self._page_ms = -patience.FORM_MS
        # Then it closes, whoever uses it.
        self._end_ms = self._used_ms + patience.PORTAL_LONGEST_MS
        # The scan comes before the access point: it takes the radio away from its clients.
        name = settings["id"] if settings else board.default_id()
        self.site = Site(self, name, settings, reason, traceback)
        # The networks of that scan are told first; who goes on asking wants to see them change.
        self._fresh = True
        self._server = self._serving()
        # Who may see the page in the joined network.
        self.guest = None
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
        from mote import setup_cable

        setup_cable.tell(ssid, bool(self._password))
        memory.discard("mote.setup_cable")

    def _serving(self):
        return http.Server(
            self.answer,
            clients=_CLIENTS_BESIDE if self._beside else http.CLIENTS,
            idle=_forget_pages if self._beside else None,
            elsewhere=self.site.elsewhere,
            address=contract.PORTAL_ADDRESS,
            admits=access_point.is_client,
        )

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

    async def answer(self, request):
        """Serve one request to the board itself."""
        # Each request begins with a tidy heap: four phones at once fit into it.
        memory.free_heap()
        self._page_ms = uptime.ms()
        response = await self.site.serve(request)
        memory.free_heap()
        return response

    def close(self):
        """Take the network off the air."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        self.closing = True
        access_point.close_network()

    @property
    def starved(self):
        """True when there is not the memory to serve phones."""
        return self._server.starved >= _STARVED

    @property
    def trying(self):
        """True while a trial runs: it joins and logs in as the board that it is to become."""
        return self._tries or (self.site.state == TRYING and not self.closing)

    @property
    def busy(self):
        """True while somebody uses the portal: the radio is theirs, for RETRY_IN_USE_MS at most.

        A phone that joins the setup network, and asks for nothing but whether it is the internet,
        does not use it.
        """
        if self.trying or self._requests != self.site.requests:
            self._requests = self.site.requests
            self._used_ms = uptime.ms()
        within_ms = patience.FORM_MS if access_point.has_clients() else patience.VISIT_MS
        return self._requests > 0 and uptime.ms() - self._used_ms < within_ms

    def is_unused(self, ms):
        """Return whether nobody has used the portal for `ms`, or its time is up for whoever does.

        Then the trial that runs is the last one.
        """
        if uptime.ms() > self._end_ms:
            self.closing = True
        if self.trying or self.site.state == SAVED:
            return False
        return self.closing or (not self.busy and uptime.ms() - self._used_ms > ms)

    def wifi_is_back(self):
        """Note that a known network let the board in: the portal makes room for it."""
        if not self.makes_room:
            self.makes_room = True
            self._end_ms = min(self._end_ms, uptime.ms() + patience.VISIT_MS)

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
        from mote.wifi import scan

        found = scan.networks()
        memory.discard("mote.wifi.scan")
        return found

    def search(self):
        """Look for networks anew, unless that takes the radio away from somebody."""
        fresh, self._fresh = self._fresh, False
        asked = access_point.has_clients() and uptime.ms() - self._page_ms < patience.FORM_MS
        if not fresh and not self.trying and not asked:
            self.site.networks = self.scan() or self.site.networks
        return True

    @property
    def chip(self):
        return board.chip()

    def address(self):
        return station.address()

    def page_url(self):
        """Return the address of the page in the joined network, for the client at the cable."""
        from mote import setup_cable

        return setup_cable.guest_of(self).url()

    def serve(self, name, serve):
        """Start a server, in the place of the one before of its name."""
        if name in self._tasks:
            self._tasks[name].cancel()
        self._serve[name] = serve
        self._start(name)

    def own_addresses(self):
        return (contract.PORTAL_ADDRESS,)

    def start_once_more(self):
        self.wants_start = True

    def start_trial(self, document, stay):
        tasks.start(self._try(document, stay))

    async def _try(self, document, stay):
        # The answer to the phone goes out before the radio changes its channel.
        await asyncio.sleep_ms(500)
        async with station.trial:
            if self.closing:
                self.site.withdraw()
                return
            self._tries = True
            try:
                await self._try_now(document, stay)
            finally:
                self._tries = False

    async def _try_now(self, document, stay):
        try:
            known = self._settings and self._settings["mqtt"]
            # MQTT is loaded when it is wanted: until then, and after it, phones have its memory.
            from mote import trial

            failure, found = await trial.run(document, self.site.step, stay, known)
        except MemoryError:
            self._server.starved += 1
            failure, found = Failure(NO_MEMORY), ()
            # How far it came is not known: no network counts as one that let the board in.
            failure.step = "join"
        except Exception as error:
            # Something that came over the air: no reason to end more than this trial.
            log.error("setup: trial: unexpected %s: %s" % (type(error).__name__, error))
            failure, found = Failure(NOT_JOINED, type(error).__name__), ()
        if failure and not stay:
            # Also where the trial itself broke off.
            station.leave()
        memory.discard("mote.trial")
        memory.forget("mote.wifi.joining", *MQTT)
        if failure:
            log.warning("setup: trial: %s" % failure)
            self.site.failed_with(failure, found)
        else:
            self.site.succeeded(document)


async def _serve_names():
    address = contract.PORTAL_ADDRESS
    await dns_server.serve(address, host=address, admits=access_point.is_client)


def _forget_pages():
    memory.discard(*PAGES)
