"""Split the address of an MQTT server as people write it: the same rule on board and host.

`mqtt://host:1884`, `mqtts://host`, `host:1883`, `[::1]:1883` and a slash at the end are understood.
Anything else is refused with what to write instead.
"""

from mote import contract

# Whether a scheme means TLS. `ssl` and `tcp` are Paho's and Mosquitto's names for the two.
_SCHEMES = {"mqtt": False, "tcp": False, "mqtts": True, "ssl": True, "tls": True}
_DIGITS = "0123456789"
_IPV6 = _DIGITS + "abcdefABCDEF:."


def split(text: str) -> "tuple[str, int | None, bool | None]":
    """Return (host, port, tls); port and tls are None where `text` does not say them.

    Raises ValueError: what is wrong with `text`, and what to do. It repeats no password.
    """
    text = text.strip()
    scheme, mark, rest = text.partition("://")
    tls = None
    if mark:
        tls = _SCHEMES.get(scheme.lower())
        if tls is None:
            raise ValueError("must be the address of an MQTT server: mqtt://, mqtts:// or a name")
    else:
        rest = text
    if "@" in rest:
        raise ValueError("must be an address without a login: user and password have own fields")
    if rest.endswith("/"):
        rest = rest[:-1]
    if "/" in rest:
        raise ValueError("must be an address without a path: a name and, if needed, :port")
    host, colon, port = rest, "", ""
    if rest.startswith("["):
        host, end, port = rest[1:].partition("]")
        colon, port = port[:1], port[1:]
        if not end or ":" not in host or colon not in ("", ":"):
            raise ValueError("must be an IPv6 address as in [fe80::1]:1883")
    elif rest.count(":") == 1:
        host, colon, port = rest.partition(":")
    if ":" in host and not _only(host, _IPV6):
        raise ValueError("must have one colon, before the port, or be an IPv6 address")
    if not host:
        raise ValueError("must be a name or an address, such as mqtt.local or 192.168.1.10")
    if not colon:
        return host, None, tls
    if not port or len(port) > 5 or not _only(port, _DIGITS) or not 1 <= int(port) <= 65535:
        raise ValueError("must have a port from 1 to 65535 after the colon")
    return host, int(port), tls


def normalize(server: dict) -> None:
    """Split the `host` of an `mqtt` object into host, port and tls, in place. Raises ValueError.

    What `host` says and an entry of its own contradicts is refused.
    """
    text = server.get("host")
    if not isinstance(text, str) or not text:
        return
    host, port, tls = split(text)
    if tls is not None and port is None and "port" not in server:
        # A scheme has a port of its own.
        port = contract.MQTT_TLS_PORT if tls else contract.MQTT_PORT
    for key, value in (("port", port), ("tls", tls)):
        if value is None:
            continue
        if server.get(key, value) != value:
            raise ValueError("must not contradict mqtt.%s: say it in one of the two" % key)
        server[key] = value
    server["host"] = host


def _only(text, allowed):
    for i in range(len(text)):
        if text[i] not in allowed:
            return False
    return True
