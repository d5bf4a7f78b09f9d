"""Who a command is on a broker, and where that is."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from mote import contract, server_address

from motekit import places
from motekit.exits import fail
from motekit.terminal import echo

if TYPE_CHECKING:
    from motekit.hub.hub_state import HubState

HERE = ("127.0.0.1", "localhost", "::1")


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
    host, port, tls = _split(text, tls, login_options)
    return Address(host, port or (contract.MQTT_TLS_PORT if tls else contract.MQTT_PORT), tls)


def here(
    text: str, data: Path | None, *, tls: bool = False, login_options: str = "--user"
) -> Address:
    """As `server`; this computer, unless with another port, is the hub that runs on `data`."""
    host, port, tls = _split(text, tls, login_options)
    found = _running(data or _hub_folder()) if host in HERE and not tls else None
    if found and port in (None, found.mqtt_port):
        # Never a name: it may have an address more, where another program listens.
        return Address(_address_of(found), found.mqtt_port, tls=False)
    return server(text, tls=tls, login_options=login_options)


def login(user: str, address: Address, data: Path | None) -> tuple[str, str]:
    """User and password: the given user, the owner of the hub on this machine, or nobody.

    The password of a given user comes from MOTE_PASSWORD or a prompt. `data` is the hub's folder.
    The owner's goes to the port on which the hub of that folder listens at this moment, and to no
    other program of this machine.
    """
    if user:
        return user, os.environ.get("MOTE_PASSWORD") or typer.prompt("Password", hide_input=True)
    folder = data or _hub_folder()
    owner = folder / "owner.password"
    found = _running(folder)
    if found and (address.host, address.port) == (_address_of(found), found.mqtt_port):
        from motekit.credentials import OWNER

        try:
            return OWNER, owner.read_text(encoding="utf-8")
        except OSError:
            return "", ""
    if found and address.host in HERE:
        echo(
            f'Without a login: the hub of "{folder}" listens on port {found.mqtt_port}, not here. '
            "Name the folder of another hub with --data, or a user with --user",
            err=True,
        )
    return "", ""


def _split(text: str, tls: bool, login_options: str) -> tuple[str, int | None, bool]:
    """Host, port and whether it is TLS. Raises typer.Exit."""
    try:
        host, port, said = server_address.split(text)
    except ValueError as error:
        if "@" in text:
            # Not repeated: it holds a password, and the command line can be read by others.
            fail(f"a login has no place in the server's address: give it with {login_options}")
        fail(f"the server {text!r} {error}; such as 192.168.1.10:1883, or mqtts://name for TLS")
    return host, port, tls if said is None else said


def _hub_folder() -> Path:
    return places.data() / "hub"


def _running(folder: Path) -> "HubState | None":
    # The image of `mote` for Docker has no hub.
    if not (folder / "hub.state").is_file():
        return None
    from motekit.hub import hub_state

    return hub_state.running(folder)


def _address_of(hub: "HubState") -> str:
    """The address at which this computer reaches its hub."""
    from motekit.hub.listening import is_any

    if is_any(hub.mqtt_host) or hub.mqtt_host in HERE[:2]:
        return HERE[0]
    return hub.mqtt_host.strip("[]")
