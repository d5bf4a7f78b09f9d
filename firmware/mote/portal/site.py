"""The portal's pages and what leads from one to the next."""

import json
import os
from binascii import hexlify

from mote import config, contract, failure, log, memory
from mote.failure import Failure
from mote.portal import fields, http
from mote.portal.request import Refused

STEPS = ("join", "address", "name", "server", "login")
# Those of the WiFi.
WIFI = STEPS[:2]
FORM, TRYING, FAILED, SAVED = "form", "trying", "failed", "saved"
# Stands in while an empty host is checked: the board will look for one.
_ANY_HOST = "mqtt.local"
# Loaded when a form is sent.
_FORM = ("mote.portal.form", "mote.stored_secrets")
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
        # True: the form changes the WiFi alone, unless it has the stored MQTT password.
        self.limited = bool(settings) and reason in _BY_ITSELF
        # Wrong ones in this opening.
        self.guesses = 0
        self._board = board
        self._known = settings
        self._server = settings and settings["mqtt"]
        self._step = ""
        self._document = None
        self._only_network = False
        self._routes = {
            ("GET", "/"): self._home,
            ("GET", "/progress"): self._progress,
            ("GET", "/status"): self._status,
            ("POST", "/save"): self._save,
            ("POST", "/save-anyway"): self._save_anyway,
            ("POST", "/edit"): self._edit,
            ("POST", "/scan"): self._search,
            ("POST", "/start"): self._start,
        }

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
        return bool(self._document and self._document["mqtt"]["host"])

    @property
    def server(self):
        """The host of the MQTT server that was entered or found, or an empty text."""
        return self._document["mqtt"]["host"] if self._document else ""

    def try_network(self, put_first):
        """Begin the trial of a WiFi alone: `put_first(document)` gives one with it in front.

        False for an impossible one, and while another trial runs or has brought all there is.
        """
        if self.state in (TRYING, SAVED):
            return False
        # What a phone entered may be no document: then what the board has counts.
        for base in (self._document, self._known) if self._document else (self._known,):
            document = put_first(base)
            if not _faults(document):
                break
        else:
            return False
        first = document["wifi"][0]
        if first.get("password") and self._is_open(first["ssid"]):
            return False
        self.fields = fields.entries(document)
        self._begin(document, True)
        return True

    def elsewhere(self, request):
        """The way to the portal for a request that is for another host; None for the board's own.

        It is given whatever else is in the request. A proxy that is looked for is not found.
        """
        if request.path == "/wpad.dat":
            return http.Response("404 Not Found", 404)
        host = request.host
        if host in self._board.own_addresses() or (not host and request.fault):
            return None
        return http.redirect("http://%s/" % contract.PORTAL_ADDRESS, 302)

    async def handle(self, request):
        """Serve one request that came in on the setup network."""
        return self.elsewhere(request) or await self.serve(request)

    async def serve(self, request):
        """Serve one request to the board itself."""
        self.requests += 1
        method = "GET" if request.method == "HEAD" else request.method
        if method == "POST" and not _has_own_origin(request):
            return _refuse(request)
        route = self._routes.get((method, request.path))
        if route is None:
            if any(path == request.path for _, path in self._routes):
                raise Refused(405)
            return http.redirect(request.base, 302)
        if method == "POST" and not self._has_token(request):
            return self._ask_again(request)
        return route(request)

    def withdraw(self):
        """The trial does not begin: the portal closes."""
        self.state = FORM

    def step(self, name):
        """The trial has reached a step."""
        self._step = name

    def succeeded(self, document):
        """The trial reached the server: what was tried is saved."""
        self._document = document
        self._store()

    def failed_with(self, why, servers=()):
        """The trial ended with a Failure; the entries stay, `servers` were found on the way."""
        if self._only_network and why.step not in WIFI and self._document["mqtt"] == self._server:
            # The WiFi is right, and the server is the one that the board had before.
            self._store()
            return
        self.failure = why
        self.servers = servers
        if self._document and self._document["mqtt"]["host"]:
            # One that was found stays when all that it lacks is a login.
            server = self._document["mqtt"]
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
        self._tell()
        return self._page(request)

    def _status(self, request):
        self._tell()
        status = {"state": self.state, "steps": [self._step_class(name) for name in STEPS]}
        if self.failure:
            status["reason"] = self.failure.reason
            status["message"] = self.failure.what
            status["remedy"] = self.failure.remedy
        return http.Response(json.dumps(status), kind="application/json")

    def _has_token(self, request):
        return b"token=" + self.token.encode() in request.body.split(b"&")

    def _ask_again(self, request):
        """Show the page once more, without doing what was asked: it was of another opening.

        What was entered is shown, and not kept: anybody may have sent it.
        """
        fields = self.fields
        if request.path == "/save" and self.state not in (TRYING, SAVED):
            self.state = FORM
            from mote.portal import form

            fields = form.shown_again(request.body, fields)
            memory.discard(*_FORM)
        return self._page(request, (), 403, fields, stale=True)

    def _save(self, request):
        if self.state in (TRYING, SAVED):
            return http.redirect(request.base + "progress")
        document, faults, refused = self._entered(request.body)
        if faults:
            log.info("setup: entries refused: %s" % ", ".join(sorted(faults)))
            if not refused and not any(name in faults for name in fields.SECRETS):
                self._document = document
            self.state = FORM
            return self._page(request, faults, 422)
        self._begin(document)
        return http.redirect(request.base + "progress")

    def _begin(self, document, only_network=False):
        self._document = document
        self._only_network = only_network
        self.name = document["id"]
        self.failure = None
        self.servers = []
        self._step = STEPS[0]
        self.state = TRYING
        self._board.start_trial(document, only_network)

    def _entered(self, body):
        """The document of what was entered, what is wrong with it by field, and whether it asks for
        more than this form may change or a secret may follow.
        """
        document, needless, refused = self._document_of(body)
        # What reads a form makes room for what checks it.
        memory.discard(*_FORM)
        faults = _faults(document)
        if faults:
            faults = _by_field(faults)
            memory.discard(*_FORM)
        elif refused:
            faults = {"mqtt_password": refused}
        if needless:
            faults = dict(faults, password=fields.NO_PASSWORD)
        return document, faults, refused

    def _is_open(self, ssid):
        """True for a network in reach that asks for no password."""
        return any(one.ssid == ssid and one.supported and not one.secured for one in self.networks)

    def _document_of(self, body):
        from mote.portal import form

        entered = form.decode(body)
        document = form.document(entered, self._known, self._document, self._is_open)
        needless = bool(entered.get("password")) and self._is_open(document["wifi"][0]["ssid"])
        self.fields = fields.entries(document, entered)
        typed = entered.get("mqtt_password", "")
        return document, needless, form.refusal(self, document, typed, self._known, self._document)

    def _save_anyway(self, request):
        if self.state == FAILED and self.can_save:
            self._store()
        return http.redirect(request.base + "progress")

    def _edit(self, request):
        if self.state == FAILED:
            self.state = FORM
        return http.redirect(request.base)

    def _search(self, request):
        if self.state != TRYING:
            self.networks = self._board.scan()
        return http.redirect(request.base)

    def _start(self, request):
        self._board.start_once_more()
        return http.redirect(request.base)

    def _store(self):
        try:
            config.save(self._document)
            # What a person saved must not make room for what was there before a probation.
            config.keep()
        except OSError as error:
            self.failed_with(Failure(failure.FLASH, "errno %s" % error.errno))
            return
        except config.ConfigError as error:
            # What a trial found in the network is checked where it enters: this is the last net.
            log.error("setup: not saved: %s" % error)
            self.failed_with(Failure(failure.NO_SERVER))
            return
        self.failure = None
        self.state = SAVED
        log.info(contract.LOG_SAVED)

    def _tell(self):
        if self.state == SAVED:
            self.told_saved = True

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


def _faults(document):
    """What is wrong with the entries, (path, text); an empty host is none, the board seeks one."""
    host = document["mqtt"]["host"]
    document["mqtt"]["host"] = host or _ANY_HOST
    try:
        config.checked(document)
    except config.ConfigError as error:
        return error.faults
    finally:
        document["mqtt"]["host"] = host
    return ()


def _by_field(faults):
    from mote.portal import form

    return form.faults_by_field(faults)


def _refuse(request):
    from mote.portal import form

    try:
        return http.Response(form.FOREIGN % request.base, 403)
    finally:
        memory.discard(*_FORM)


def _has_own_origin(request):
    """A page of someone else must not post into the portal of a board (RFC 6454).

    "null" is the origin of a frame in a sandbox, which may hold the page of anybody.
    """
    origin = request.headers.get("origin")
    return not origin or origin == "http://" + request.headers.get("host", "")
