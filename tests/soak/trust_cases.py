"""Makes the cases of the trust campaign: boards with secrets, forms and patches that want them.

A case is what `trust_on_device.py` runs, with what `trust_judge.py` has to know beside it. All of
it comes out of one seed. Nothing here knows how the firmware decides.
"""

import base64
import copy
import json
import random
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes

HOSTS = ("mqtt.local", "broker.example", "192.168.1.10", "Broker.Lan", "a-b_c.example")
EVIL_HOSTS = ("evil.example", "10.66.6.6", "mqtt.local.evil.example", "evil.local", "mqtt.loca")
SSIDS = ("Home", "Café Mokka", "Lab 5", "x", "Straße & Söhne")
EVIL_SSIDS = ("Evil", "Free WiFi", "home", "Home ", "Ｈome", "")
# Of pages of somebody else; the portal's own is http://192.168.4.1.
ORIGINS = ("null", "http://evil.example", "https://192.168.4.1", "http://192.168.4.1.evil.example")
TAILS = ("", "", "", "-ü", "&=%+", ' "\\', "\u00a0", "🌱")
SECRETS_MAX = 12


@dataclass
class Secret:
    """`core` is the part that every encoding leaves as it is, `text` all of it.

    `given` is the road that it was stored or typed for, None where a mutated form leaves it open.
    `step` is the step that it was typed in, None for one that is stored.
    """

    core: str
    text: str
    kind: str
    step: int | None = None
    given: dict[str, Any] | None = None
    ssids: tuple[str, ...] = ()


@dataclass
class Case:
    """`wire` is for the board; the rest is for the judge."""

    number: int
    kind: str
    wire: dict[str, Any]
    stored: dict[str, Any] | None
    secrets: list[Secret]
    # What each step says in plain text, None where it was mutated.
    meant: list[dict[str, Any] | None] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


class Maker:
    """Makes case after case; the same seed and number make the same case."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def portal(self, number: int) -> Case:
        return _Portal(random.Random(f"{self._seed} portal {number}"), number).case()

    def config(self, number: int) -> Case:
        return _Config(random.Random(f"{self._seed} config {number}"), number).case()


class _Board:
    """A board with stored secrets, as the starting point of a case."""

    def __init__(self, chance: random.Random, number: int) -> None:
        self.chance, self.number = chance, number
        self.secrets: list[Secret] = []
        self.stored = self._document()

    def secret(self, kind: str, step: int | None = None, longest: int = 40) -> Secret:
        core = f"{kind}{self.chance.getrandbits(48):012x}"
        text = core + self.chance.choice(TAILS)
        secret = Secret(core, text if len(text.encode()) <= longest else core, kind, step)
        self.secrets.append(secret)
        return secret

    def certificate(self) -> str:
        data = base64.b64encode(self.chance.randbytes(60)).decode()
        return f"-----BEGIN CERTIFICATE-----\n{data}\n-----END CERTIFICATE-----\n"

    def _document(self) -> dict[str, Any]:
        chance = self.chance
        networks = []
        for index, ssid in enumerate(chance.sample(SSIDS, chance.choice((1, 1, 2, 3)))):
            password = ""
            if not index or chance.random() < 0.6:
                secret = self.secret("wifi")
                secret.ssids, password = (ssid,), secret.text
            networks.append({"ssid": ssid, "password": password})
        security = chance.choices(("ca", "plain", "insecure"), (5, 4, 2))[0]
        port = {"ca": 8883, "plain": 1883, "insecure": 8883}[security]
        server: dict[str, Any] = {
            "host": chance.choice(HOSTS),
            "port": port if chance.random() < 0.7 else chance.choice((1883, 8883, 8884, 1)),
            "user": chance.choice(("", "u", "plant")),
            "tls": security != "plain",
        }
        if security == "ca" or chance.random() < 0.1:
            server["ca"] = self.certificate()
        if security == "insecure" or chance.random() < 0.05:
            server["insecure"] = True
        secret = self.secret("mqtt")
        server["password"] = secret.text
        document: dict[str, Any] = {"version": 1, "id": "plant1", "wifi": networks, "mqtt": server}
        if chance.random() < 0.9:
            # With one, the board does not draw the code of its open network, which takes long.
            document["portal_password"] = self.secret("portal").text
        if chance.random() < 0.3:
            document["interval"] = 60
        secret.given = road(server, networks)
        return document

    def wire(self, kind: str, **more: Any) -> dict[str, Any]:
        chance = self.chance
        return {
            "kind": kind,
            "stored": json.dumps(self.stored),
            "secrets": [one.core.encode().hex() for one in self.secrets],
            "tls": ["works" if chance.random() < 0.8 else "fails"],
            **more,
        }


def road(server: dict[str, Any], networks: list[dict[str, Any]]) -> dict[str, Any]:
    """Where a password goes by settings: server, how that proves itself, and the networks."""
    tls = bool(server.get("tls"))
    return {
        "host": server["host"],
        "port": server.get("port", 1883),
        "tls": tls,
        "ca": server.get("ca", "") if tls else "",
        "networks": [(one["ssid"], one.get("password", "")) for one in networks],
    }


class _Portal(_Board):
    def case(self) -> Case:
        chance = self.chance
        reason = chance.choices(("wifi", "button", "resets", "crashed"), (6, 3, 1, 1))[0]
        count = chance.choice((1, 2, 4, 8, 12))
        case = Case(self.number, "portal", {}, self.stored, self.secrets)
        steps = []
        for number in range(count):
            path = "/save"
            if number and chance.random() < 0.15:
                path = chance.choice(("/save-anyway", "/edit", "/scan", "/save-anyway"))
            body = self._form(case, number) if path == "/save" else b""
            case.bodies.append(body)
            if path != "/save":
                case.meant.append(None)
            origin = chance.choice(ORIGINS) if chance.random() < 0.05 else ""
            steps.append({
                "hidden": chance.random() < 0.95, "path": path,
                "headers": f"Origin: {origin}\r\n" if origin else "",
                "body": body.hex(), "shown": chance.random() < 0.1,
            })  # fmt: skip
        found = [["hub", chance.choice(EVIL_HOSTS[3:]), chance.choice((1883, 1884))]]
        case.wire = self.wire(
            "portal",
            reason=reason,
            beside=reason == "wifi",
            air=self._air(),
            found=found * chance.choice((0, 1, 1, 2)),
            join=[chance.choices(("works", "wrong", "absent"), (8, 1, 1))[0] for _ in steps],
            server=[chance.choices(("works", "refuses", "closes", "alert", "silent"),
                                   (4, 9, 2, 1, 1))[0] for _ in steps] + ["works"],
            steps=steps,
        )  # fmt: skip
        return case

    def _air(self) -> list[list[Any]]:
        heard = [[one["ssid"].encode().hex(), 3] for one in self.stored["wifi"]]
        heard += [[ssid.encode().hex(), 0] for ssid in EVIL_SSIDS if ssid]
        if self.chance.random() < 0.3:
            # An open twin of a known network, stronger than it.
            heard.insert(0, [self.stored["wifi"][0]["ssid"].encode().hex(), 0])
        return heard

    def _form(self, case: Case, step: int) -> bytes:
        """The form as a browser sends it back, with some fields as an attacker wants them."""
        chance, server = self.chance, self.stored["mqtt"]
        network = self.stored["wifi"][0]
        fields: dict[str, str] = {
            "id": self.stored["id"],
            "ssid": network["ssid"],
            "ssid_other": "",
            "password": "",
            "host": server["host"],
            "port": str(server["port"]),
            "user": server["user"],
            "mqtt_password": "",
            "interval": str(self.stored.get("interval", 10)),
            "portal_password": "",
        }
        for name in ("tls", "insecure"):
            if server.get(name):
                fields[name] = "1"
        for _ in range(chance.choice((0, 1, 1, 1, 2, 2, 3, 4))):
            self._changed(fields, case, step)
        for secret in self.secrets:
            if secret.kind == "wifi" and secret.step == step:
                secret.ssids = (fields["ssid"] or fields["ssid_other"],)
        case.meant.append(dict(fields))
        pairs = list(fields.items())
        if chance.random() < 0.35:
            case.meant[-1] = None
            for _ in range(chance.choice((1, 1, 2))):
                self._mutated(pairs)
        body = "&".join(self._encoded(name) + "=" + self._encoded(value) for name, value in pairs)
        data = body.encode("utf-8", "surrogateescape")
        if chance.random() < 0.03:
            case.meant[-1] = None
            at = chance.randrange(len(data) + 1)
            data = (
                data[:at]
                + chance.choice((b"%", b"%ff", b"&", b"=", b"\0", b"\r\n", b""))
                + (data[at:] if chance.random() < 0.7 else b"")
            )
        # What a mutated form says in the end is entered, too; the standard library reads it.
        entered = [
            tuple(unquote_to_bytes(part) for part in pair.replace(b"+", b" ").split(b"=", 1))
            for pair in data.split(b"&")
        ]
        if entered != [
            (name.encode(), value.encode("utf-8", "surrogateescape"))
            for name, value in fields.items()
        ]:
            case.meant[-1] = None
            for name, *value in entered:
                self._note_network(step, name, b"".join(value))
        return data

    def _note_network(self, step: int, name: bytes, value: bytes) -> None:
        """Note the networks that a mutated form has, for the passphrase in it."""
        if name not in (b"ssid", b"ssid_other"):
            return
        for secret in self.secrets:
            if secret.kind == "wifi" and secret.step == step:
                secret.ssids += (value.decode(errors="replace"),)

    def _changed(self, fields: dict[str, str], case: Case, step: int) -> None:
        chance, server = self.chance, self.stored["mqtt"]
        what = chance.choice((
            "ssid", "ssid", "ssid", "host", "host", "port", "tls", "tls", "tls", "insecure", "user",
            "id", "interval", "portal_password", "password", "mqtt_password", "server",
        ))  # fmt: skip
        if what == "ssid":
            self._other_network(fields)
        elif what == "host":
            fields["host"] = self._other_host(server)
        elif what == "port":
            fields["port"] = chance.choice(
                ("1883", "8883", "1884", "", "0", "65536", "+1883", "1883.0", "１８８３", " 1883 ",
                 "01883", "0x75b", str(server["port"]))
            )  # fmt: skip
        elif what in ("tls", "insecure"):
            if fields.pop(what, None) is None or chance.random() < 0.2:
                fields[what] = chance.choice(("1", "on", "0", "", "false"))
        elif what == "server":
            fields["server"] = chance.choice(
                (fields["host"], "evil.local:1883", "evil.example:8883", "", "mqtts://evil.local")
            )
        elif what == "mqtt_password":
            self._password_entered(fields, case, step)
        elif what == "password":
            known = [one["password"] for one in self.stored["wifi"]]
            if chance.random() < 0.3 and len(self.secrets) < SECRETS_MAX:
                fields["password"] = self.secret("wifi", step).text
            else:
                fields["password"] = chance.choice(
                    ("attacker1", "attacker1", " ", "12345678", *known)
                )
        else:
            fields[what] = chance.choice(
                {
                    "user": ("", "u", "evil", "plant"),
                    "id": ("plant1", "evil", "PLANT1", ""),
                    "interval": ("10", "1", "", "1e3", "x"),
                    "portal_password": ("", "attacker2", "short"),
                }[what]
            )

    def _password_entered(self, fields: dict[str, str], case: Case, step: int) -> None:
        kind = self.chance.choice(("new", "new", "stored", "blank"))
        if kind == "new" and len(self.secrets) < SECRETS_MAX:
            fields["mqtt_password"] = self.secret("mqtt", step).text
        elif kind == "stored":
            fields["mqtt_password"] = self.stored["mqtt"]["password"]
        else:
            fields["mqtt_password"] = self.chance.choice(("", " ", "\t", "%00", "null"))

    def _other_network(self, fields: dict[str, str]) -> None:
        chance = self.chance
        ssid = chance.choice((*EVIL_SSIDS, *(one["ssid"] for one in self.stored["wifi"]),
                              self.stored["wifi"][0]["ssid"] + "\0"))  # fmt: skip
        if chance.random() < 0.4:
            fields["ssid"], fields["ssid_other"] = "", ssid
        else:
            fields["ssid"] = ssid

    def _other_host(self, server: dict[str, Any]) -> str:
        chance, host = self.chance, server["host"]
        scheme = chance.choice(("mqtt://", "mqtts://", "tcp://", "ssl://", "tls://", "MQTT://"))
        return chance.choice((
            host.upper(), host + ".", scheme + host, scheme + host, f"{host}:{server['port']}",
            f"{scheme}{host}:{server['port']}", f"{host}:1883", f"{host}:8883", f" {host} ",
            f"[{host}]", host + "/", "", host.replace(".", "。"), host + "\0", "::1", "[::1]:1883",
            f"evil.example@{host}", f"{host}@evil.example", *EVIL_HOSTS,
            scheme + chance.choice(EVIL_HOSTS), f"{chance.choice(EVIL_HOSTS)}:{server['port']}",
        ))  # fmt: skip

    def _mutated(self, pairs: list[tuple[str, str]]) -> None:
        chance = self.chance
        at = chance.randrange(len(pairs))
        name, value = pairs[at]
        kind = chance.randrange(7)
        if kind == 0:
            del pairs[at]
            pairs or pairs.append(("id", "plant1"))
        elif kind == 1:
            # Twice, with another value; which of them counts is the parser's affair.
            others = ("", "evil.example", "1", "Evil", "1883", value)
            pairs.insert(chance.randrange(len(pairs) + 1), (name, chance.choice(others)))
        elif kind == 2:
            pairs[at] = (chance.choice((name.upper(), name + " ", " " + name, name + "[]")), value)
        elif kind == 3:
            pairs[at] = (
                name,
                chance.choice(("", value + "\0", value + "\n", value.upper(), "x" * 300)),
            )
        elif kind == 4:
            extra = chance.choice((
                "ca", "mqtt.ca", "mqtt.host", "wifi.0.ssid", "mqtt_password_kept", "password_kept",
                "confirm", "confirmed", "old_password", "keep", "token", "version", "reason",
            ))  # fmt: skip
            pairs.append((extra, chance.choice(("", "1", "on", "true", "evil.example"))))
        elif kind == 5:
            chance.shuffle(pairs)
        else:
            pairs[at] = (name, value + chance.choice((";host=evil.example", "&host=evil.example")))

    def _encoded(self, text: str) -> str:
        kind = self.chance.randrange(12)
        if kind == 0:
            return "".join(f"%{byte:02x}" for byte in text.encode())
        if kind == 1:
            return quote_plus(text).replace("%", "%25") if self.chance.random() < 0.1 else (
                quote_plus(text).replace("+", "%20")
            )  # fmt: skip
        return quote_plus(text)


class _Config(_Board):
    def case(self) -> Case:
        chance = self.chance
        case = Case(self.number, "config", {}, self.stored, self.secrets)
        payloads = []
        for number in range(chance.choice((1, 1, 2, 4))):
            patch = self._patch(number)
            command = {"cmd": "config", "nonce": f"n{number}", "config": patch}
            case.meant.append(copy.deepcopy(command))
            payload = json.dumps(command, ensure_ascii=chance.random() < 0.5)
            if chance.random() < 0.2:
                case.meant[-1] = None
                payload = self._mutated(payload)
            data = payload.encode("utf-8", "surrogatepass")
            case.bodies.append(data)
            payloads.append(data.hex())
        case.wire = self.wire("config", payloads=payloads, server=["works"])
        return case

    def _patch(self, step: int) -> Any:
        chance = self.chance
        if chance.random() < 0.02:
            return chance.choice(
                (None, [], "x", 1, {}, {"mqtt": None}, {"mqtt": []}, {"wifi": None})
            )
        patch: dict[str, Any] = {}
        for _ in range(chance.choice((1, 1, 2, 3))):
            self._changed(patch, step)
        return patch

    def _changed(self, patch: dict[str, Any], step: int) -> None:
        chance, stored = self.chance, self.stored["mqtt"]
        server = patch.setdefault("mqtt", {})
        kind = chance.choice(("host", "port", "tls", "ca", "insecure", "user", "password", "wifi",
                              "host", "tls", "ca", "whole", "other"))  # fmt: skip
        if kind == "host":
            host = stored["host"]
            server["host"] = chance.choice((
                *EVIL_HOSTS, host, host.upper(), host + ".", f"mqtt://{host}", f"mqtts://{host}",
                f"{host}:1883", f"{host}:{stored['port']}", f"tcp://{host}:{stored['port']}",
                "mqtts://evil.example:8883", None, "", ["evil.example"], f"{host}/", f"ssl://{host}",
            ))  # fmt: skip
        elif kind == "port":
            server["port"] = chance.choice((1883, 8883, 1884, None, stored["port"], "1883", 0, 1.5,
                                            float(stored["port"])))  # fmt: skip
        elif kind == "tls":
            server["tls"] = chance.choice((False, False, True, None, 0, "false"))
        elif kind == "ca":
            server["ca"] = chance.choice((self.certificate(), "", None, stored.get("ca", ""),
                                          stored.get("ca", "") + self.certificate()))  # fmt: skip
        elif kind == "insecure":
            server["insecure"] = chance.choice((True, True, False, None))
        elif kind == "user":
            server["user"] = chance.choice(("", "evil", None, stored["user"]))
        elif kind == "password":
            if chance.random() < 0.5:
                server["password"] = self.secret("mqtt", step).text
            else:
                server["password"] = chance.choice(("", None, stored["password"], True))
        elif kind == "whole":
            patch["mqtt"] = {"host": chance.choice((stored["host"], *EVIL_HOSTS)), "port": None,
                             "tls": None, "ca": None, "insecure": None}  # fmt: skip
        elif kind == "wifi":
            names = [*EVIL_SSIDS, *(one["ssid"] for one in self.stored["wifi"])]
            patch["wifi"] = [
                {"ssid": ssid}
                | chance.choice(({}, {}, {"password": ""}, {"password": "attacker1"}))
                for ssid in chance.sample(names, chance.choice((1, 2, 3)))
            ]
        else:
            patch[chance.choice(("id", "interval", "portal_password", "sensors", "deep_sleep"))] = (
                chance.choice(("plant2", 30, None, True, "attacker2"))
            )
        if not patch.get("mqtt"):
            patch.pop("mqtt", None)

    def _mutated(self, text: str) -> str:
        chance = self.chance
        at = chance.randrange(len(text) + 1)
        return chance.choice((
            text[:at] + chance.choice(('"', "{", "}", ",", "\\u0000", "\ud800", "\0")) + text[at:],
            text.replace('"mqtt"', '"\\u006dqtt"'),
            text.replace('"config": {', '"\\u0063onfig": {'),
            text.replace('"mqtt": {', '"mqtt": {"host": "evil.example", '),
            text.replace('"mqtt": {', '"mqtt": {"tls": false}, "mqtt": {'),
            text.replace('"config": ', '"config": {"mqtt": {"tls": false}}, "config": '),
            text.replace('"host"', '"HOST"'),
            "\ufeff" + text, text + "x", text[:at],
            text.replace("true", "1").replace("false", "0"),
        ))  # fmt: skip
