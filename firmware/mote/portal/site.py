"""The portal's pages and what leads from one to the next."""

import json
import os
from binascii import hexlify

from mote import contract, failure, memory
from mote.portal import fields, http
from mote.portal.request import Refused

STEPS = ("join", "address", "name", "server", "login")
# Those of the WiFi.
WIFI = STEPS[:2]
FORM, TRYING, FAILED, SAVED = "form", "trying", "failed", "saved"
_PAGES = ("/", "/progress", "/status")
# Those of `actions`, which is loaded for each.
_ACTIONS = ("/save", "/save-anyway", "/edit", "/scan", "/start")
# Reasons of a portal that opened by itself: whoever is on its network need not be at the board.
_BY_ITSELF = ("wifi", "crashed")


class Site:
    """State of one setup. The radio is reached through `board`, which has:

    `scan()`, the networks in reach; `start_trial(document, stay)`, which reports to `step`,
    `succeeded` and `failed_with`, and stays in a WiFi that let it in if it shall;
    `own_addresses()`, the hosts under which the board is asked; and `start_once_more()`.
    """

    def __init__(self, board, name, settings, reason, traceback=""):
        self.state = FORM
        # How many requests for its pages there were: somebody uses the portal while they come.
        self.requests = 0
        # In every form: a page of someone else, which may not read ours, cannot know it.
        self.token = str(hexlify(os.urandom(8)), "ascii")
        self.told_saved = False
        self.name = name
        self.reason = reason
        self.traceback = traceback
        self.networks = board.scan()
        self.servers = []
        # Chosen on the page; empty: the one that the browser asks for.
        self.language = ""
        self.fields = fields.prefilled(name, settings)
        self.failure = None
        # The configuration that is tried, or was entered last; what the board has; its radio.
        self.document = None
        self.known = settings
        self.board = board
        # True: the form changes the WiFi alone, unless it has the stored MQTT password.
        self.limited = bool(settings) and reason in _BY_ITSELF
        # Wrong guesses of that password.
        self.guesses = 0
        self._server = settings and settings["mqtt"]
        self._step = ""
        self._only_network = False

    @property
    def can_save(self):
        """True while what failed could still be right.

        Not without a server, with a password that the WiFi refused, before a person has confirmed
        the server or entered its password, or on a bad flash.
        """
        reason = self.failure and self.failure.reason
        if reason in (
            failure.FLASH,
            failure.WRONG_PASSWORD,
            failure.CONFIRM_SERVER,
            failure.PASSWORD_NEEDED,
        ):
            return False
        return bool(self.document and self.document["mqtt"]["host"])

    @property
    def server(self):
        """The host of the MQTT server that was entered or found, or an empty text."""
        return self.document["mqtt"]["host"] if self.document else ""

    def try_network(self, put_first):
        """Begin the trial of a WiFi alone: `put_first(document)` gives one with it in front.

        False for an impossible one, and while another trial runs or has brought all there is.
        """
        return _act("try_network", self, put_first)

    def is_open(self, ssid):
        """True for a network in reach that asks for no password."""
        return any(one.ssid == ssid and one.supported and not one.secured for one in self.networks)

    def elsewhere(self, request):
        """The way to the portal for a request that is for another host; None for the board's own.

        It is given whatever else is in the request. A proxy that is looked for is not found.
        """
        if request.path == "/wpad.dat":
            return http.Response("404 Not Found", 404)
        host = request.host
        if host in self.board.own_addresses() or (not host and request.fault):
            return None
        return http.redirect("http://%s/" % contract.PORTAL_ADDRESS, 302)

    async def handle(self, request):
        """Serve one request that came in on the setup network."""
        return self.elsewhere(request) or await self.serve(request)

    async def serve(self, request):
        """Serve one request to the board itself."""
        self.requests += 1
        post = request.method == "POST"
        paths, others = (_ACTIONS, _PAGES) if post else (_PAGES, _ACTIONS)
        if request.path not in paths:
            if request.path in others:
                raise Refused(405)
            return http.redirect(request.base, 302)
        if post:
            answer = _act("answer", self, request)
            if isinstance(answer, list):
                read = _read(self, request.body)
                answer = _act("conclude", self, request, fields.faults_of(read[0]), *read)
            # A page is made when what did the work has left its memory to it.
            return self._page(request, *answer) if isinstance(answer, tuple) else answer
        if request.path == "/":
            return self._home(request)
        self.told_saved = self.told_saved or self.state == SAVED
        return self._progress(request) if request.path == "/progress" else self._status()

    def withdraw(self):
        """The trial does not begin: the portal closes."""
        self.state = FORM

    def step(self, name):
        """The trial has reached a step."""
        self._step = name

    def succeeded(self, document):
        """The trial reached the server: what was tried is saved."""
        self.document = document
        _act("store", self)

    def failed_with(self, why, servers=()):
        """The trial ended with a Failure; the entries stay, `servers` were found on the way."""
        if self._only_network and why.step not in WIFI and self.document["mqtt"] == self._server:
            # The WiFi is right, and the server is the one that the board had before.
            _act("store", self)
            return
        self.failure = why
        self.servers = servers
        if self.document and self.document["mqtt"]["host"]:
            # One that was found stays when all that it lacks is a login.
            server = self.document["mqtt"]
            # A page that is being sent shows the fields as they were.
            self.fields = dict(self.fields, host=server["host"], port=server["port"])
        self._step = why.step
        self.state = FAILED

    def step_classes(self):
        """How each step stands: done, now, fail, or an empty text for one that is to come."""
        return {name: self._step_class(name) for name in STEPS}

    def _step_class(self, name):
        if self.state == SAVED:
            return "done"
        here, at = STEPS.index(name), STEPS.index(self._step) if self._step else -1
        if here < at:
            return "done"
        if here == at:
            return "fail" if self.state == FAILED else "now"
        return ""

    def _home(self, request):
        if self.state in (TRYING, SAVED):
            return http.redirect(request.base + "progress")
        # Who opens the portal anew after a failure sees it together with the form.
        self.state = FORM
        return self._page(request)

    def _progress(self, request):
        if self.state == FORM:
            return http.redirect(request.base)
        return self._page(request)

    def _status(self):
        status = {"state": self.state, "steps": [self._step_class(name) for name in STEPS]}
        if self.failure:
            status["reason"] = self.failure.reason
            status["message"] = self.failure.what
            status["remedy"] = self.failure.remedy
        return http.Response(json.dumps(status), kind="application/json")

    def begin(self, document, only_network=False):
        """Begin a trial, of a WiFi alone or of everything."""
        self.document = document
        self._only_network = only_network
        if only_network or not self.known:
            # Where there are settings, the name that a phone enters counts when it is saved.
            self.name = document["id"]
        self.failure = None
        self.servers = []
        self._step = STEPS[0]
        self.state = TRYING
        self.board.start_trial(document, only_network)

    def _page(self, request, faults=(), status=200, fields=None, stale=False):
        # Loaded for visitors, see `setup_network`.
        from mote.portal.page import Page, language

        name, _, chosen = request.query.partition("=")
        if name == "lang":
            self.language = chosen
        wanted = language(self.language or request.headers.get("accept-language", ""))
        packed = "gzip" in request.headers.get("accept-encoding", "")
        page = Page(self, faults, fields, stale)
        return http.Response(
            page.pieces(wanted, packed),
            status,
            packed=packed,
            length=page.length(wanted, packed),
        )


def _act(name, *arguments):
    from mote.portal import actions

    try:
        return getattr(actions, name)(*arguments)
    finally:
        del actions
        memory.discard("mote.portal.actions", "mote.portal.form", "mote.stored_secrets")


def _read(site, body):
    from mote.portal import form

    try:
        return form.entered(site, body)
    finally:
        del form
        memory.discard("mote.portal.form", "mote.stored_secrets")
