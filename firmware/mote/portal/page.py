"""Renders the portal's pages: a template read line by line, its slots filled while it is sent."""

from mote.portal import form

_FOLDER = __file__.rsplit("/", 1)[0] + "/"
_KEPT = "unchanged"
LOGO = (
    '<svg viewBox="0 0 48 48" aria-hidden="true">'
    '<rect width="48" height="48" rx="13" fill="#0f7a54"/>'
    '<path d="M24 37V23M24 27c-1-7-6-10-12-10 0 7 5 11 12 10ZM24 22c1-6 6-9 12-9 0 7-5 10-12 9Z"'
    ' fill="none" stroke="#fff" stroke-width="3.2" stroke-linecap="round"'
    ' stroke-linejoin="round"/></svg>'
)
_BARS = ((0, 11, 5), (5.5, 8, 8), (11, 4, 12), (16.5, 0, 16))
_NOTICES = {
    "damaged": (
        "The saved settings were damaged",
        "The board could not read them and needs them once more.",
    ),
    "wifi": (
        "The board cannot reach its WiFi",
        "It goes on trying, and restarts by itself when the network is back.",
    ),
    "erased": ("The settings were erased", "The board starts anew."),
}


def escape(text):
    """Text as HTML content or attribute value."""
    text = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("'", "&#39;")


def render(template, slots):
    """The pieces of a page: `slots` maps a name to text, or to a function giving pieces."""
    with open(_FOLDER + template) as lines:
        for line in lines:
            while "{{" in line:
                before, _, rest = line.partition("{{")
                name, _, line = rest.partition("}}")
                yield before
                value = slots[name]
                if callable(value):
                    for piece in value():
                        yield piece
                else:
                    yield value
            yield line


def form_page(board, fields, networks, faults, reason, failed):
    """The form. `fields` holds the entries so far, `faults` a text by field, `failed` a Failure."""
    chosen = fields.get("ssid", form.OTHER)
    listed = any(one.ssid == chosen for one in networks)
    slots = {
        "title": "Set up " + escape(board),
        "style": _style,
        "logo": LOGO,
        "name": escape(board),
        "notice": lambda: _notice(faults, reason, failed),
        "networks": lambda: _networks(networks, chosen),
        "other": "" if listed else " checked",
        "ssid_other": escape(fields.get("ssid_other", "") if listed else _typed(fields, chosen)),
        "tls": " checked" if fields.get("tls") else "",
        "advanced": " open" if any(f in form.ADVANCED for f in faults) or failed else "",
    }
    for name in form.PATHS:
        if name not in slots:
            slots[name] = escape(fields.get(name, ""))
        bad = name in faults
        slots[name + "_bad"] = (
            ' aria-invalid="true" aria-describedby="%s-error"' % name if bad else ""
        )
        slots[name + "_error"] = (
            '<p class="err" id="%s-error">This %s.</p>' % (name, escape(faults[name]))
            if bad
            else ""
        )
    for name in form.SECRETS:
        slots[name + "_hint"] = _KEPT if fields.get(name + "_kept") else ""
    return render("form.html", slots)


def progress_page(board, state, steps, failed):
    """How the trial goes: `steps` is (text, class) of each, `state` trying, failed or saved."""
    headings = {"trying": "Trying it out", "failed": "That did not work", "saved": "All set"}
    slots = {
        "title": headings[state],
        "heading": headings[state],
        "refresh": '<meta http-equiv="refresh" content="2">' if state == "trying" else "",
        "style": _style,
        "logo": LOGO,
        "name": escape(board),
        "state": state,
        "content": lambda: _progress(board, state, steps, failed),
    }
    return render("progress.html", slots)


def _style():
    with open(_FOLDER + "style.css") as lines:
        for line in lines:
            yield line


def _typed(fields, chosen):
    return fields.get("ssid_other", "") or chosen


def _notice(faults, reason, failed):
    if faults:
        yield '<div class="card bad" role="alert"><h2>Please check</h2><ul>'
        for name in faults:
            text = escape(_label(name) + " " + faults[name])
            yield '<li><a href="#%s">%s</a></li>' % (name, text)
        yield "</ul></div>"
    elif failed:
        yield '<div class="card bad" role="alert"><h2>Not connected: %s</h2>' % escape(failed.what)
        yield "<p>%s</p></div>" % escape(failed.remedy)
    elif reason in _NOTICES:
        yield '<div class="card"><h2>%s</h2><p class="hint">%s</p></div>' % _NOTICES[reason]


def _label(name):
    return {
        "id": "Device ID",
        "ssid": "WiFi network",
        "password": "WiFi password",
        "host": "MQTT server",
        "port": "MQTT port",
        "user": "MQTT user",
        "mqtt_password": "MQTT password",
        "tls": "TLS",
        "interval": "Seconds between readings",
        "portal_password": "Setup network password",
    }[name]


def _networks(networks, chosen):
    if not networks:
        yield '<p class="hint">No network was found. Search again, or type its name.</p>'
    for one in networks:
        yield '<label class="net"><input type="radio" name="ssid" value="%s"' % escape(one.ssid)
        if one.ssid == chosen:
            yield " checked"
        elif not one.supported:
            yield " disabled"
        yield "><b>%s" % escape(one.ssid)
        if not one.supported:
            yield "<small>company login: not supported</small>"
        elif not one.secured:
            yield "<small>open, no password</small>"
        yield "</b>"
        yield _signal(one.bars)
        yield "</label>\n"


def _signal(bars):
    drawn = ""
    for i in range(4):
        drawn += '<rect x="%s" y="%d" width="4" height="%d" rx="1"%s/>' % (
            _BARS[i][0],
            _BARS[i][1],
            _BARS[i][2],
            ' class="on"' if i < bars else "",
        )
    label = "signal %d of 4" % bars
    return '<svg class="sig" viewBox="0 0 20.5 16" role="img" aria-label="%s">%s</svg>' % (
        label,
        drawn,
    )


def _progress(board, state, steps, failed):
    if state == "saved":
        yield '<div class="card"><h2>%s is on its way</h2>' % escape(board)
        yield "<p>The settings are saved and the board restarts. Its readings appear on the "
        yield "dashboard in a few seconds.</p><p class=hint>This setup network closes now; your "
        yield "phone goes back to its usual WiFi.</p></div>"
        return
    yield '<div class="card"><ul class="steps">'
    for text, kind in steps:
        yield '<li class="%s">%s</li>' % (kind, escape(text))
    yield "</ul></div>"
    if failed:
        what = failed.what[0].upper() + failed.what[1:]
        yield '<div class="card bad" role="alert"><h2>%s</h2><p>%s</p></div>' % (
            escape(what),
            escape(failed.remedy),
        )
        yield '<form method="post" action="/edit"><button>Change the entries</button></form>'
        yield '<form method="post" action="/save-anyway">'
        yield '<button class="low">Save anyway</button></form>'
