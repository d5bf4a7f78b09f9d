"""What the portal's page shows: answers the template's questions about one state of the set-up."""

import os

from mote.portal import pack
from mote.portal.fields import ADVANCED, ORDER, OTHER, SECRETS

_FOLDER = __file__.rsplit("/", 1)[0] + "/"
_FALLBACK = "en"


class Page:
    """One answer. `site` has: state, name, reason, fields, networks, faults, failure, servers,
    traceback, can_save, server, limited, token, step_classes(). `fields` are shown instead of
    its own; `stale`: what was sent came from a page of another opening of the portal.

    It shows the state at its beginning: how long it is must not change while it is sent.
    """

    def __init__(self, site, faults=(), fields=None, stale=False):
        self._faults = faults
        self._stale, self._token = stale, site.token
        self._state, self._name, self._reason = site.state, site.name, site.reason
        self._fields = fields or site.fields
        self._networks, self._servers = site.networks, site.servers
        self._failure, self._traceback = site.failure, site.traceback
        self._can_save, self._server = site.can_save, site.server
        self._limited = site.limited
        self._steps = site.step_classes()

    def pieces(self, language, packed):
        """Bytes of the page, made while they are sent."""
        return pack.pieces(_FOLDER + language + ".page", self, packed)

    def length(self, language, packed):
        """How many bytes `pieces` gives."""
        return pack.length(_FOLDER + language + ".page", self, packed)

    def shows(self, name):
        """True when section `name` of the template belongs to the page now."""
        kind, _, which = name.partition(".")
        if kind == "notice":
            return which == self._reason and not self._faults and not self._failure
        if kind == "fail":
            return self._failure.reason == which
        if kind == "trial":
            return self._state in ("trying", "failed")
        if kind == "why":
            return bool(self._failure and not self._faults)
        return {
            "bad": bool(self._faults),
            "stale": self._stale,
            "crashed": bool(self._traceback),
            "found": bool(self._servers),
            "none": not self._networks,
            "can_save": self._can_save,
            "at": bool(self._server),
            "limited": self._limited and not self._faults,
        }.get(kind, kind == self._state)

    def fill(self, name, words):
        """Text of slot `name`, or several in turn; `words` are in the language of the page."""
        if name == "board":
            return escape(self._name)
        if name == "token":
            return self._token
        if name == "traceback":
            return escape(self._traceback)
        if name.startswith("step."):
            return self._steps[name[5:]]
        if name == "networks":
            return self._network_list(words)
        if name == "servers":
            return self._server_list()
        if name == "faults":
            return self._fault_list(words)
        if name == "server":
            return escape(self._server)
        if name in ("tls", "insecure"):
            return " checked" if self._fields.get(name) else ""
        if name == "advanced":
            wrong = any(field in ADVANCED for field in self._faults)
            no_ca = self._failure and self._failure.reason == "no_ca"
            return " open" if wrong or no_ca else ""
        if name == "other":
            chosen = self._fields.get("ssid") or not self._networks
            return " checked" if chosen and not self._listed() else ""
        return self._entry(name, words)

    def _entry(self, name, words):
        fields = self._fields
        text = ""
        if name in SECRETS:
            if fields.get(name + "_kept"):
                text = ' placeholder="%s"' % escape(words["kept"])
        else:
            value = fields.get(name, "")
            if name == "ssid_other" and not value and not self._listed():
                value = fields.get("ssid", "")
            text = ' value="%s"' % escape(value)
        wrong = "ssid" if name == "ssid_other" else name
        return text + (' aria-invalid="true"' if wrong in self._faults else "")

    def _listed(self):
        chosen = self._fields.get("ssid", OTHER)
        return any(one.ssid == chosen for one in self._networks)

    def _fault_list(self, words):
        for name in ORDER:
            if name not in self._faults:
                continue
            label = words["wifi" if name == "ssid" else name]
            told = words.get(self._faults[name]) or escape(self._faults[name])
            yield '<li><a href="#%s">%s</a> %s</li>' % (name, label, told)

    def _network_list(self, words):
        chosen = self._fields.get("ssid", OTHER)
        for one in self._networks:
            yield (
                '<label class=net><input type=radio name=ssid value="%s"%s><b><bdi>%s</bdi>%s</b>'
                % (
                    escape(one.ssid),
                    " checked" if one.ssid == chosen else "" if one.supported else " disabled",
                    escape(one.ssid),
                    "" if one.supported else "<small>%s</small>" % words["company"],
                )
            )
            told = "%s %d/4" % (words["signal"], one.bars)
            if one.secured:
                yield '<i class=lock role=img title="%s"></i>' % one.security
            else:
                told += ", " + words["open"]
            yield '<i class=sig style=--n:%d role=img title="%s"></i></label>' % (one.bars, told)

    def _server_list(self):
        for one in self._servers:
            place = "%s:%d" % (one.host, one.port)
            yield '<label class=net><input type=radio name=server value="%s"><b><bdi>%s</bdi>' % (
                escape(place), escape(one.name)
            )  # fmt: skip
            yield "<small>%s</small></b></label>" % escape(place)


def escape(text):
    """Text as HTML content or attribute value."""
    text = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("'", "&#39;")


def language(wanted):
    """The best of the languages on the board for an Accept-Language header (RFC 9110, 12.5.4)."""
    there = [name[:-5] for name in os.listdir(_FOLDER) if name.endswith(".page")]
    best, weight = _FALLBACK, 0.0
    for part in wanted.split(","):
        tag, _, quality = part.partition(";")
        tag = tag.strip().lower().split("-")[0]
        if tag in there:
            this = _quality(quality)
            if this > weight:
                best, weight = tag, this
    return best


def _quality(text):
    text = text.strip()
    if not text.startswith("q="):
        return 1.0
    try:
        return float(text[2:])
    except ValueError:
        return 0.0
