"""Judges what came out of a board: a secret goes the way that it was given for, and no other.

The judge looks at what radio and sockets sent and at what is stored in the end; it does not know
how the firmware came to it. The rules, for the password of the MQTT server:

- server (case and a final dot do not count), port, TLS and the certificate that it is checked by
  are those that it was entered for;
- and so is the network, name and passphrase, unless that certificate proves the server: whoever
  can call his network as he likes can listen. A command `config` comes from somebody who is logged
  in already, and may move a board to another network.

A form without what is hidden in the page of this portal, or from a page of another origin, does
nothing. A WiFi passphrase goes to the network of its name. No secret is in a page, an answer or the
log. A portal that has opened by itself changes nothing but the WiFi, unless the old password was
entered. A `config` that changes the way of a stored password without a new one is refused.
"""

import base64
import hashlib
import json
from typing import Any
from urllib.parse import unquote_to_bytes

from trust_cases import Case, Secret

DEFAULTS = {"interval": 10, "sensors": "auto", "deep_sleep": False, "portal_password": ""}
SERVER_DEFAULTS = {
    "port": 1883, "user": "", "password": "", "tls": False, "insecure": False, "ca": "",
}  # fmt: skip
# Why a portal is open that nobody asked for.
OPENS_ITSELF = ("wifi", "crashed")
Road = tuple[str, int, Any, tuple[str, str]]


def faults(case: Case, seen: list[list[Any]], log: list[str]) -> list[str]:
    """What is wrong with what was `seen` of a case, in words; empty when nothing is."""
    judge = _Judge(case)
    found = [fault for event in seen if (fault := judge.fault_of(event))]
    for secret in case.secrets:
        found += [f"the log says {secret.core}: {line}" for line in log if secret.core in line]
    return found


def plain(case: Case) -> list[bytes]:
    """Return what was posted in each step, as it was sent and decoded."""
    return [unquote_to_bytes(body.replace(b"+", b" ")) + body for body in case.bodies]


class _Judge:
    def __init__(self, case: Case) -> None:
        self.case = case
        # Roads that a secret took when it was entered: core -> roads.
        self.taken: dict[str, set[Road]] = {one.core: set() for one in case.secrets}
        self.entered = plain(case)
        self.present = case.stored

    def fault_of(self, event: list[Any]) -> str:
        step, kind, *rest = event
        if kind == "join":
            return self._join(step, bytes.fromhex(rest[0]), bytes.fromhex(rest[1]))
        if kind == "sent":
            return self._sent(step, rest)
        if kind in ("answer", "state"):
            names = ", ".join(self.case.secrets[index].core for index in rest[1])
            if names:
                return f"step {step}: an answer has {names} in it"
            return self._accepted(step, rest) if self.case.kind == "config" else ""
        if kind == "saved":
            return self._saved(step, json.loads(rest[0]))
        return ""

    def _is_entered(self, secret: Secret, step: int) -> bool:
        return step < len(self.entered) and secret.core.encode() in self.entered[step]

    def _join(self, step: int, ssid: bytes, key: bytes) -> str:
        if self._is_foreign(step):
            return f"step {step}: a form that is not of this portal's page is tried"
        for secret in self.case.secrets:
            if secret.core.encode() not in key or self._is_entered(secret, step):
                continue
            if secret.kind != "wifi" or ssid.decode(errors="replace") not in secret.ssids:
                if secret.kind == "wifi" and self._is_given_away(secret):
                    continue
                return f"step {step}: {secret.core} is the passphrase for {ssid!r}"
        return ""

    def _is_foreign(self, step: int) -> bool:
        """Whether a form came without the hidden inputs of the page, or from another page."""
        steps = self.case.wire.get("steps", ())
        return step < len(steps) and not (steps[step]["hidden"] and not steps[step]["headers"])

    def _is_given_away(self, secret: Secret) -> bool:
        """Whether somebody who knows a passphrase entered it for another network."""
        if secret.step is None:
            return any(secret.core.encode() in one for one in self.entered)
        return self.case.meant[secret.step] is None

    def _sent(self, step: int, rest: list[Any]) -> str:
        ssid, key, host, port, tls, data = rest
        payload = bytes.fromhex(data)
        for secret in self.case.secrets:
            if secret.core.encode() not in payload:
                continue
            proof = None if tls is None else "any" if tls["ca"] is None else tuple(tls["ca"])
            network = bytes.fromhex(ssid).decode(errors="replace"), bytes.fromhex(key).decode()
            taken = (_plain(host), port, proof, network)
            if self._is_entered(secret, step) and secret.kind == "mqtt":
                if self._is_unconfirmed(step):
                    return f"step {step}: {secret.core} goes to {taken}, which nobody confirmed"
                self.taken[secret.core].add(taken)
            elif secret.kind != "mqtt" or not self._is_allowed(secret, taken):
                return f"step {step}: {secret.core} goes to {taken}"
        return ""

    def _is_unconfirmed(self, step: int) -> bool:
        """Whether a password was entered and no server: whoever answers first would get it."""
        meant = self.case.meant[step] if step < len(self.case.meant) else None
        if self.case.kind != "portal" or meant is None:
            return False
        return not meant["host"].strip() and not meant.get("server", "").strip()

    def _is_allowed(self, secret: Secret, taken: Road) -> bool:
        host, port, proof, network = taken
        anywhere = self.case.kind == "config"
        for other in self.taken[secret.core]:
            proven = isinstance(proof, tuple) or anywhere
            if other[:3] == taken[:3] and (proven or other[3] == network):
                return True
        if any(self._fits(step, taken) for step in self._steps_with(secret)):
            return True
        given = secret.given
        if not given or (host, port) != (_plain(given["host"]), given["port"]):
            return False
        if proof != _proof(given):
            return False
        return isinstance(proof, tuple) or anywhere or network in given["networks"]

    def _steps_with(self, secret: Secret) -> list[int]:
        return [step for step, text in enumerate(self.entered) if secret.core.encode() in text]

    def _fits(self, step: int, taken: Road) -> bool:
        """Whether a password of an earlier form, which did not get to the server, may go there.

        The networks that the board knew before belong to the settings that it was entered for.
        """
        meant = self.case.meant[step]
        if meant is None or self.case.kind == "config":
            return meant is None
        host = (meant.get("server") or meant["host"]).strip()
        ssid = meant["ssid"] or meant["ssid_other"]
        stored = self.case.stored
        assert stored
        networks = [(ssid, meant["password"])]
        networks += [(one["ssid"], one["password"]) for one in stored["wifi"]]
        if not meant["password"]:
            # The passphrase was kept.
            networks += [(one.ssids[0], one.text) for one in self.case.secrets
                         if one.kind == "wifi" and one.ssids == (ssid,)]  # fmt: skip
        here = isinstance(taken[2], tuple) or taken[3] in networks
        if not host:
            # One that was found, and picked afterwards.
            return here and taken[0] in [_plain(one[1]) for one in self.case.wire["found"]]
        if "/" in host or ":" in host or not meant["port"].strip().isdecimal():
            # Which server that is, is for the firmware to say.
            return here
        return here and taken[0] == _plain(host)

    def _accepted(self, step: int, rest: list[Any]) -> str:
        """A patch that leads a stored password elsewhere, and brings none, is refused."""
        command, present = self.case.meant[step], self.present
        if command is None or present is None or not rest[0] or not isinstance(command, dict):
            return ""
        patch = command["config"].get("mqtt") if isinstance(command["config"], dict) else None
        before = SERVER_DEFAULTS | present["mqtt"]
        if not isinstance(patch, dict) or "password" in patch or not before["password"]:
            return ""
        for name in ("port", "tls", "ca"):
            wanted = patch.get(name, before[name])
            wanted = SERVER_DEFAULTS[name] if wanted is None else wanted
            # A certificate counts where there is TLS.
            if wanted != before[name] and (name != "ca" or before["tls"]):
                return f"step {step}: {name} {before[name]!r} becomes {wanted!r} without a password"
        host = patch.get("host", before["host"])
        plain = isinstance(host, str) and not any(sign in host for sign in ":/")
        if plain and _plain(host) != _plain(before["host"]):
            return f"step {step}: host {before['host']!r} becomes {host!r} without a password"
        return ""

    def _saved(self, step: int, after: dict[str, Any]) -> str:
        before, self.present = self.present, after
        case = self.case
        if case.kind == "config" or case.wire["reason"] not in OPENS_ITSELF or before is None:
            return ""
        old = next(one for one in case.secrets if one.kind == "mqtt" and one.step is None)
        if any(old.core.encode() in one for one in self.entered):
            return ""
        changed = [name for name, value in _filled(before).items() if _filled(after)[name] != value]
        return f"saved without the old password: another {', '.join(changed)}" if changed else ""


def _filled(document: dict[str, Any]) -> dict[str, Any]:
    """Everything but the WiFi, flat and with its defaults."""
    flat = {**DEFAULTS, **{k: v for k, v in document.items() if k not in ("wifi", "mqtt")}}
    flat |= {f"mqtt.{k}": v for k, v in (SERVER_DEFAULTS | document["mqtt"]).items()}
    flat["mqtt.host"] = _plain(flat["mqtt.host"])
    return flat


def _plain(host: str) -> str:
    return host.lower().rstrip(".")


def _proof(given: dict[str, Any]) -> Any:
    """How a server proves itself: None in clear, "any" by nothing, else sums of certificates."""
    if not given["tls"]:
        return None
    parts = given["ca"].split("-----BEGIN CERTIFICATE-----")[1:]
    if not parts:
        return "any"
    return tuple(sorted(
        hashlib.sha256(base64.b64decode(part.split("-----END")[0])).hexdigest() for part in parts
    ))  # fmt: skip
