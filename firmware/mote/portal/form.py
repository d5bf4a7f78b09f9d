"""From the form's fields to a configuration document, and from its faults back to the fields.

Loaded when a form is sent: who only looks at the page leaves its memory free.
"""

from mote import contract, log, stored_secrets
from mote.portal.fields import OTHER, SECRETS, entries

# Field of the form -> path in the document.
PATHS = {
    "id": "id",
    "ssid": "wifi.0.ssid",
    "password": "wifi.0.password",
    "host": "mqtt.host",
    "port": "mqtt.port",
    "user": "mqtt.user",
    "mqtt_password": "mqtt.password",
    "tls": "mqtt.tls",
    "insecure": "mqtt.insecure",
    "interval": "interval",
    "portal_password": "portal_password",
}
_NEAREST = {"wifi": "ssid", "mqtt": "host"}
_USUAL_PORTS = (str(contract.MQTT_PORT), str(contract.MQTT_TLS_PORT))
# Guesses of the stored MQTT password that are answered in one opening.
_GUESSES = 5
_HEX = b"0123456789abcdefABCDEF"


def decode(body):
    """The fields of `application/x-www-form-urlencoded` text (WHATWG URL 5.1), the last of a name.

    A damaged escape stands for itself; bytes that are not UTF-8 become question marks.
    """
    fields = {}
    for pair in body.split(b"&"):
        name, _, value = pair.partition(b"=")
        if name:
            fields[_unescape(name)] = _unescape(value)
    return fields


def _unescape(data):
    parts = data.replace(b"+", b" ").split(b"%")
    result = bytearray(parts[0])
    for part in parts[1:]:
        # int() alone would take a sign, a blank and a single digit as well.
        if len(part) > 1 and part[0] in _HEX and part[1] in _HEX:
            result.append(int(str(part[:2], "ascii"), 16))
            result.extend(part[2:])
        else:
            result.extend(b"%" + part)
    try:
        return str(result, "utf-8")
    except UnicodeError:
        return str(bytes(c if c < 128 else 63 for c in result), "ascii")


def entered(site, body):
    """The document of what was entered, whether its password is needless, and why it asks for more
    than this form may change or a secret may follow.
    """
    given = decode(body)
    made = document(given, site.known, site.document, site.is_open)
    needless = bool(given.get("password")) and site.is_open(made["wifi"][0]["ssid"])
    site.fields = entries(made, given)
    typed = given.get("mqtt_password", "")
    return made, needless, refusal(site, made, typed, site.known, site.document)


def shown_again(body, fields):
    """What the form shows of a body that was not taken: `fields`, with what was entered in it."""
    entered = decode(body)
    shown = dict(fields)
    for name in PATHS:
        if name not in SECRETS:
            shown[name] = entered.get(name, "")
    shown["ssid_other"] = entered.get("ssid_other", "")
    shown["ssid"] = shown["ssid"] or shown["ssid_other"]
    return shown


def document(fields, known, draft=None, is_open=None):
    """The configuration that `fields` describe; what the form does not show is taken from `known`.

    An empty password field keeps the one in `draft` (what was entered before) or in `known` where
    `stored_secrets` lets it. Of a network for which `is_open(ssid)` is true no passphrase is kept.
    Values that are no numbers stay text, for the schema to refuse.
    """
    draft = draft or {}
    result = dict(known) if known else {}
    result["version"] = 1
    result["id"] = fields.get("id", "").strip()
    ssid = fields.get("ssid", OTHER)
    if ssid == OTHER:
        ssid = fields.get("ssid_other", "")
    networks = list(result.get("wifi", ()))
    entered = list(draft.get("wifi", ()))[:1]
    password = fields.get("password", "") or stored_secrets.passphrase(ssid, entered + networks)
    if is_open and is_open(ssid):
        # One that was kept is of the time before it was open.
        password = ""
    others = [one for one in networks if one["ssid"] != ssid]
    result["wifi"] = [{"ssid": ssid, "password": password}] + others[:2]
    server = dict(result.get("mqtt", {}))
    # A server that was found and picked counts before what is typed.
    address = _address(fields)
    port = fields.get("port", "").strip()
    known_tls = address["host"] == server.get("host") and address["tls"] and server.get("tls")
    if known_tls and port == str(server.get("port")):
        # Settings that came another way may have TLS on the other port.
        address["port"] = server["port"]
    server.update(address)
    server["user"] = fields.get("user", "").strip()
    server.pop("password", None)
    result["mqtt"] = server
    typed = fields.get("mqtt_password", "")
    if typed and known and not stored_secrets.may_keep_networks(result, known):
        result["wifi"] = result["wifi"][:1]
    password = typed or _kept_password(result, draft, known)
    if password:
        server["password"] = password
    interval = fields.get("interval", "").strip()
    if interval:
        result["interval"] = _number(interval)
    portal_password = fields.get("portal_password") or draft.get("portal_password")
    if portal_password:
        result["portal_password"] = portal_password
    return result


def faults_by_field(faults):
    """The first fault of each field, by the field's name; `faults` are (path, text).

    The page has a sentence about each field; a text is left only where the form does not show what
    is wrong: it is told at the field that is nearest.
    """
    fields = {path: field for field, path in PATHS.items()}
    named = {}
    for path, text in faults:
        field = fields.get(path)
        if field is None:
            field = _NEAREST.get(path.split(".")[0], "id")
            text = "%s %s" % (path, text)
        else:
            text = ""
        if field not in named:
            named[field] = text
    return named


def refusal(site, document, typed, known, draft):
    """Why what was entered is refused, as a word of the page, or an empty text.

    `typed` is the MQTT password in it. `site` is `limited` and counts `guesses`.
    """
    if site.limited and typed and site.guesses >= _GUESSES:
        # Right or wrong, it is not said any more.
        return stored_secrets.LOCKED
    refused = stored_secrets.refusal(document, typed, known, draft, site.limited)
    if refused and typed:
        site.guesses += 1
        if site.guesses == _GUESSES:
            log.warning("setup: no more MQTT passwords are compared until the portal reopens")
    return refused


def _kept_password(document, *sources):
    """The MQTT password that an empty field stands for."""
    for source in sources:
        password = source["mqtt"].get("password", "") if source else ""
        if password and stored_secrets.may_keep_password(document, source):
            return password
    return ""


def _address(fields):
    """Host, port and TLS: also of an address such as `mqtts://name:8884` in the one field.

    What is no address stays in `host`, for the schema to refuse.
    """
    picked = fields.get("server", "")
    host = (picked or fields.get("host", "")).strip()
    port = fields.get("port", "").strip()
    found = {"host": host}
    # The form shows the usual port before anybody has typed one.
    if port and not (":" in host and (picked or port in _USUAL_PORTS)):
        found["port"] = _number(port)
    for key in ("tls", "insecure"):
        if key in fields:
            found[key] = True
    if any(mark in host for mark in ":/@["):
        # Few write more than a name: what splits an address is loaded for those.
        from mote import server_address

        try:
            server_address.normalize(found)
        except ValueError:
            pass
    for key in ("tls", "insecure"):
        if key not in found:
            found[key] = False
    # So does somebody who switches TLS on and leaves the port alone.
    if "port" not in found or (found["tls"] and ":" not in host and port in _USUAL_PORTS):
        found["port"] = contract.MQTT_TLS_PORT if found["tls"] else contract.MQTT_PORT
    return found


def _number(text):
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text
