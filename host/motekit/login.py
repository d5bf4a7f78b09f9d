"""Who a command is on a broker, and where that is."""

import os
from dataclasses import dataclass
from pathlib import Path

import typer
from mote import contract, server_address

from motekit import places
from motekit.exits import fail

HERE = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class Address:
    """Where an MQTT server is."""

    host: str
    port: int
    tls: bool


def server(text: str, *, tls: bool = False, login_options: str = "--user") -> Address:
    """The address that `text` is, such as host:1883 or mqtts://host; `tls` where it does not say.

    Raises typer.Exit when it is none.
    """
    try:
        host, port, said = server_address.split(text)
    except ValueError as error:
        if "@" in text:
            # Not repeated: it holds a password, and the command line can be read by others.
            fail(f"a login has no place in the server's address: give it with {login_options}")
        fail(f"the server {text!r} {error}; such as 192.168.1.10:1883, or mqtts://name for TLS")
    tls = tls if said is None else said
    return Address(host, port or (contract.MQTT_TLS_PORT if tls else contract.MQTT_PORT), tls)


def login(user: str, host: str, data: Path | None) -> tuple[str, str]:
    """User and password: the given user, the owner of the hub on this machine, or nobody.

    The password of a given user comes from MOTE_PASSWORD or a prompt. `data` is the hub's folder.
    """
    if user:
        return user, os.environ.get("MOTE_PASSWORD") or typer.prompt("Password", hide_input=True)
    owner = (data or places.data() / "hub") / "owner.password"
    if host in HERE and owner.is_file():
        from motekit.credentials import OWNER

        return OWNER, owner.read_text(encoding="utf-8")
    return "", ""
