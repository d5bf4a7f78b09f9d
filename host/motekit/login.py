"""Who a command is on a broker, and where that is."""

import os
from pathlib import Path

import typer
from mote import contract

from motekit import places
from motekit.exits import fail

HERE = ("127.0.0.1", "localhost")


def server(text: str, port: int = contract.MQTT_PORT) -> tuple[str, int]:
    """Host and port of `host` or `host:port`. Raises typer.Exit when it is neither."""
    host, _, given = text.partition(":")
    if not host or (given and not given.isdigit()):
        fail(f"{text!r} is no server: give host or host:port, such as 192.168.1.10:1883")
    return host, int(given or port)


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
