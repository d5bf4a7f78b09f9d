"""Decide which stored secrets a new configuration may keep: each goes only where it was given for.

A WiFi passphrase goes to its own network. The MQTT password goes to its own server (host, port, TLS
and CA) in its own networks. A server that is checked with a CA proves who it is before the login,
so that any network may carry it. Portal, Improv and the command `config` ask here, and so does the
host. Documents have their addresses split (`server_address.normalize`); they may break the schema.
"""

# Why a form is refused, as words of the page: the password is needed again, more is needed.
AGAIN, LOCKED = "again", "locked"
# What leads to a server, with the defaults of the schema.
_SERVER = (
    ("host", ""),
    ("port", 1883),
    ("tls", False),
    ("insecure", False),
    ("ca", ""),
)


def passphrase(ssid: str, networks: "list[dict]") -> str:
    """Return the passphrase that is stored for a network, or an empty text."""
    for network in networks:
        if network["ssid"] == ssid:
            return network.get("password", "")
    return ""


def may_keep_password(document: dict, stored: dict) -> bool:
    """Return True if the MQTT password of `stored` would go only where it was given for.

    The same name with another passphrase, or without one, is another network.
    """
    if changed(document["mqtt"], stored["mqtt"]):
        return False
    if _proves_itself(document["mqtt"]):
        return True
    return all(_is_stored(network, stored["wifi"]) for network in document["wifi"])


def may_keep_networks(document: dict, stored: dict) -> bool:
    """Return True if networks of `stored` may carry a password that is new in `document`.

    Whoever could reach a portal that opened by itself may have added one to a board without a
    login. Networks that had to carry a password so far were added by somebody who knew it.
    """
    if _proves_itself(document["mqtt"]):
        return True
    server = stored["mqtt"]
    return bool(server.get("password")) and not _proves_itself(server)


def changed(server: dict, stored: dict) -> "list[str]":
    """Return the entries of `mqtt` in which `server` is reached another way than `stored`."""
    found = []
    for name, default in _SERVER:
        new, old = server.get(name, default), stored.get(name, default)
        if new != old or isinstance(new, bool) != isinstance(old, bool):
            found.append(name)
    return found


def refusal(
    document: dict, typed: str, stored: "dict | None", draft: "dict | None", limited: bool
) -> str:
    """Return why a form is refused: AGAIN, LOCKED, or an empty text if it is not.

    `document` is what the form describes and `typed` the MQTT password in it; `stored` are the
    settings of the board, `draft` what was entered before. A `limited` form changes the WiFi alone,
    unless it has the stored MQTT password.
    """
    server = document["mqtt"]
    if limited and stored:
        password = stored["mqtt"].get("password", "")
        if typed:
            return "" if typed == password else LOCKED
        if not _is_only_wifi(document, stored):
            return LOCKED
    if typed or server.get("password"):
        return ""
    for source in (draft, stored):
        old = source["mqtt"] if source else {}
        # Another server may need no login. The same one does, and so may one that is looked for.
        same = old.get("host", "") == server["host"] or not server["host"] or not old.get("host")
        if old.get("password") and (same or (old.get("tls") and not server.get("tls"))):
            return AGAIN
    return ""


def _proves_itself(server):
    return bool(server.get("tls") and server.get("ca"))


def _is_only_wifi(document, stored):
    for name in stored:
        if name not in ("wifi", "mqtt") and document.get(name) != stored[name]:
            return False
    new, old = document["mqtt"], stored["mqtt"]
    if changed(new, old) or new.get("user", "") != old.get("user", ""):
        return False
    return new.get("password", "") in ("", old.get("password", ""))


def _is_stored(network, networks):
    for one in networks:
        if one["ssid"] == network["ssid"]:
            return one.get("password", "") == network.get("password", "")
    return False
