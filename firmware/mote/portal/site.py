"""The portal's pages and what leads from one to the next."""

import json

from mote import config, contract, log
from mote.portal import form, http, page

STEPS = (
    ("join", "Joining the WiFi"),
    ("address", "Getting an address"),
    ("name", "Finding the server"),
    ("server", "Reaching the server"),
    ("login", "Logging in"),
)
_FORM, TRYING, FAILED, SAVED = "form", "trying", "failed", "saved"


class Site:
    """State of one setup. The radio is reached through what is handed in:

    `scan()` lists the networks, `start_trial(document)` begins a trial that reports to `step`,
    `succeeded` and `failed_with`, `own_addresses()` are the hosts under which the board is asked.
    """

    def __init__(self, name, settings, reason, scan, start_trial, own_addresses):
        self.state = _FORM
        # Set with every request: who waits for a phone to be gone looks at it.
        self.requests = 0
        self.told_saved = False
        self.name = name
        self._reason = reason
        self._scan = scan
        self._start_trial = start_trial
        self._own_addresses = own_addresses
        self._known = settings
        self._networks = scan()
        self._fields = _prefilled(name, settings)
        self._step = ""
        self._failed = None
        self._document = None
        self._routes = {
            ("GET", "/"): self._home,
            ("GET", "/progress"): self._progress,
            ("GET", "/status"): self._status,
            ("POST", "/save"): self._save,
            ("POST", "/save-anyway"): self._save_anyway,
            ("POST", "/edit"): self._edit,
            ("POST", "/scan"): self._search,
        }

    async def handle(self, request):
        """Serve one request. Whatever host a phone asks for, it is led to the portal."""
        self.requests += 1
        if request.path == "/wpad.dat":
            raise http.Refused(404)
        host = request.headers.get("host", "").split(":")[0]
        if host not in self._own_addresses():
            return http.redirect("http://%s/" % contract.PORTAL_ADDRESS, 302)
        method = "GET" if request.method == "HEAD" else request.method
        if method == "POST":
            _same_origin(request)
        route = self._routes.get((method, request.path))
        if route is None:
            if any(path == request.path for _, path in self._routes):
                raise http.Refused(405)
            return http.redirect("/", 302)
        return route(request)

    def step(self, name):
        """The trial has reached a step."""
        self._step = name

    def succeeded(self):
        """The trial reached the server: what was tried is saved."""
        self._store()

    def failed_with(self, failure):
        """The trial ended with a Failure; the entries stay."""
        self._failed = failure
        self._step = failure.step
        self.state = FAILED

    def _home(self, request):
        if self.state in (TRYING, SAVED):
            return http.redirect("/progress")
        return self._form_page({}, 200)

    def _progress(self, request):
        if self.state == _FORM:
            return http.redirect("/")
        self._tell()
        steps = [(text, self._kind(name)) for name, text in STEPS]
        return http.Response(page.progress_page(self.name, self.state, steps, self._failed))

    def _status(self, request):
        self._tell()
        status = {"state": self.state, "steps": [self._kind(name) for name, _ in STEPS]}
        if self._failed:
            status["message"] = self._failed.what
            status["remedy"] = self._failed.remedy
        return http.Response(json.dumps(status), kind="application/json")

    def _save(self, request):
        if self.state in (TRYING, SAVED):
            return http.redirect("/progress")
        fields = form.decode(request.body)
        document = form.document(fields, self._known, self._document)
        self._fields = _entries(fields, document)
        try:
            config.checked(document)
        except config.ConfigError as error:
            faults = form.faults_by_field(error.faults)
            log.info("setup: entries refused: %s" % ", ".join(sorted(faults)))
            self._document = document if not _bad_secret(faults) else self._document
            return self._form_page(faults, 422)
        self._document = document
        self.name = document["id"]
        self._failed = None
        self._step = STEPS[0][0]
        self.state = TRYING
        self._start_trial(document)
        return http.redirect("/progress")

    def _save_anyway(self, request):
        if self.state == FAILED:
            self._store()
        return http.redirect("/progress")

    def _edit(self, request):
        if self.state == FAILED:
            self.state = _FORM
        return http.redirect("/")

    def _search(self, request):
        if self.state != TRYING:
            self._networks = self._scan()
        return http.redirect("/")

    def _store(self):
        config.save(self._document)
        self._failed = None
        self.state = SAVED
        log.info(contract.LOG_SAVED)

    def _tell(self):
        if self.state == SAVED:
            self.told_saved = True

    def _form_page(self, faults, status):
        body = page.form_page(
            self.name, self._fields, self._networks, faults, self._reason, self._failed
        )
        return http.Response(body, status)

    def _kind(self, name):
        """How a step stands: done, now, fail, or an empty text for one that is to come."""
        names = [one for one, _ in STEPS]
        if self.state == SAVED:
            return "done"
        here, at = names.index(name), names.index(self._step) if self._step else -1
        if here < at:
            return "done"
        if here == at:
            return "fail" if self.state == FAILED else "now"
        return ""


def _same_origin(request):
    """A page of someone else must not post into the portal of a board (RFC 6454)."""
    origin = request.headers.get("origin")
    # "null" is what a phone's sign-in sheet may send after the redirect that led it here.
    if origin and origin != "null" and origin != "http://" + request.headers.get("host", ""):
        raise http.Refused(403)


def _bad_secret(faults):
    return any(name in faults for name in form.SECRETS)


def _prefilled(name, settings):
    fields = {"id": name, "port": str(contract.MQTT_PORT), "interval": "10"}
    return _entries(fields, settings) if settings else fields


def _entries(fields, document):
    """What the form shows of a document: everything but its secrets, only whether there are any."""
    server = document["mqtt"]
    network = document["wifi"][0]
    return {
        "id": document["id"],
        "ssid": network["ssid"],
        "ssid_other": fields.get("ssid_other", ""),
        "password_kept": bool(network.get("password")),
        "host": server.get("host", ""),
        "port": server.get("port", contract.MQTT_PORT),
        "user": server.get("user", ""),
        "mqtt_password_kept": bool(server.get("password")),
        "tls": server.get("tls", False),
        "interval": document.get("interval", 10),
        "portal_password_kept": bool(document.get("portal_password")),
    }
