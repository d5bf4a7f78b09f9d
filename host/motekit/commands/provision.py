"""`mote provision`: a configuration over USB, for one board or for a whole class."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motekit import places
from motekit.commands import completion, provision_class
from motekit.exits import STOPPED, complain, explained, fail
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.provision import Provisioned
    from motekit.provision.logins import Logins
    from motekit.stack.installation import Installation

EPILOG = explained(
    "mote provision --id plant1 --wifi Home --label plant1.pdf",
    "mote provision --csv provisioning/fleet.example.csv --config class.json",
    done="every board is done",
    failed="one is not (the last line says why and what to do)",
    note=" After 1 and 130 the same command goes on where it stopped.",
)
WIFI_PASSWORD = "MOTE_WIFI_PASSWORD"


def command(
    port: Annotated[
        list[str] | None,
        typer.Argument(
            help="The board's port; the only board there is unless given. With --csv several, "
            "or none: then each board that is plugged in.",
            autocompletion=completion.ports,
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option("--id", help="The device's id: its name everywhere.")] = "",
    wifi: Annotated[
        str,
        typer.Option(help=f"Name of the WiFi. Its password is asked for, or in {WIFI_PASSWORD}."),
    ] = "",
    server: Annotated[
        str,
        typer.Option(
            help="MQTT server: host, host:port or mqtts://host. Default: the hub on this computer."
        ),
    ] = "",
    put: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting, such as interval=60 or mqtt.tls=true."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--config", help="A configuration, or a part of one, in JSON.")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="A class of boards, a row each; a journal beside it knows who is done."),
    ] = None,
    label: Annotated[
        Path | None,
        typer.Option(help="Where a label goes: .pdf, .svg or .png; with --csv a folder."),
    ] = None,
    firmware: Annotated[
        Path | None,
        typer.Option(help="With --csv: MicroPython image for boards that need to be flashed."),
    ] = None,
    login: Annotated[
        bool, typer.Option(help="Make a login for each board, that nobody gets to see.")
    ] = True,
    stack: Annotated[
        bool,
        typer.Option("--stack", help="The login is in the backend of mote stack, not the hub."),
    ] = False,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the hub, or of mote stack.", show_default=False)
    ] = None,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the board to run; 0 does not.")
    ] = 30,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON, with the password of each setup network."),
    ] = False,
) -> None:
    """Give a board its settings and a login over USB, or a whole class out of a CSV.

    They are checked before a byte is sent, stored whole or not at all, and compared by digest.
    Settings come from --config, then the CSV, then the options; the later ones win.
    """
    from motekit.provision import SettingsError, settings

    try:
        document = settings.read(file) if file else {}
        document = settings.overlaid(document, _values(device, wifi, server, put or []))
        accounts = _logins(data, stack) if login else None
        if login:
            document = _with_stack(document, data) if stack else _with_server(document, data)
        if csv:
            provision_class.run(csv, port or [], document, accounts, label, firmware, wait, as_json)
            return
        document = settings.checked(document)
    except SettingsError as error:
        fail(error)
    done = _one(port or [], document, accounts, wait)
    if label:
        provision_class.labelled(label, done.id, done.mac, done.setup_password)
    if as_json:
        print_json([asdict(done)])
    else:
        _tell(done, stack)


def _one(
    given: list[str], document: dict[str, Any], accounts: "Logins | None", wait: float
) -> "Provisioned":
    from motekit.credentials import AccountError
    from motekit.firmware import factory
    from motekit.flash import FlashError
    from motekit.provision import DeviceError, SettingsError, device, provision
    from motekit.serial import PortError, ports

    if len(given) > 1:
        raise typer.BadParameter("one port, or --csv for several boards", param_hint="PORT")
    try:
        path = ports.choose(given[0] if given else "")
        _says(path)("connecting")
        with device.at(path) as board:
            new = factory.new_password()
            return provision(board, document, accounts, new, _says(path), wait)
    except (DeviceError, PortError, FlashError, SettingsError, AccountError, OSError) as error:
        fail(error)
    except KeyboardInterrupt:
        complain("stopped; the same command goes on where it was")
        raise typer.Exit(STOPPED) from None


def _says(path: str) -> Any:
    return lambda text: echo(f"{path}: {text}", err=True)


def _values(device: str, wifi: str, server: str, put: list[str]) -> dict[str, str]:
    """What the options say, by the paths of settings."""
    values = {}
    for one in put:
        path, sign, text = one.partition("=")
        if not sign:
            raise typer.BadParameter(f"{one!r} is not PATH=VALUE", param_hint="--set")
        if path.endswith("password"):
            raise typer.BadParameter(
                f"{path} would be seen by every user of this computer: write it into a file for "
                "--config",
                param_hint="--set",
            )
        values[path] = text
    if device:
        values["id"] = device
    if wifi:
        values["wifi.0.ssid"] = wifi
        values["wifi.0.password"] = _wifi_password(wifi)
    if server:
        from motekit import login

        address = login.server(server)
        values["mqtt.host"] = server
        # A port of another server does not stay.
        values.setdefault("mqtt.port", str(address.port))
    return values


def _wifi_password(wifi: str) -> str:
    given = os.environ.get(WIFI_PASSWORD)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        fail(f"no terminal to ask at for the password of {wifi}: put it in {WIFI_PASSWORD}")
    asked = f"Password of {wifi} (empty for none)"
    return str(typer.prompt(asked, default="", hide_input=True, show_default=False, err=True))


def _with_server(document: dict[str, Any], data: Path | None) -> dict[str, Any]:
    """`document`, which finds the hub of this computer when it names no server.

    Where the hub was started with TLS last, the board gets its port and its CA.
    """
    if document.get("mqtt", {}).get("host"):
        return document
    from motekit.hub import announce, hub_state

    host = announce.own_name()
    mqtt: dict[str, Any] = {"host": host}
    hub = hub_state.last(data or places.data() / "hub")
    if hub and hub.tls_port and hub.ca:
        try:
            ca = Path(hub.ca).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            fail(f'the CA of the hub, "{hub.ca}", cannot be read ({error}): start the hub once')
        mqtt |= {"port": hub.tls_port, "tls": True, "ca": ca}
    how = " with TLS" if "tls" in mqtt else ""
    echo(f"The board will look for the hub on this computer, {host}{how}", err=True)
    return {**document, "mqtt": {**mqtt, **document.get("mqtt", {}), "host": host}}


def _with_stack(document: dict[str, Any], data: Path | None) -> dict[str, Any]:
    """`document`, which finds the backend on Docker when it names no server."""
    if document.get("mqtt", {}).get("host"):
        return document
    from motekit.stack.exposure import EVERYBODY, is_loopback

    installation = _installation(data)
    settings = installation.settings()
    server: dict[str, Any] = {"host": settings["MOTE_NAMES"].split(",")[0]}
    if is_loopback(settings.get("MOTE_MQTT_ADDRESS", EVERYBODY)):
        # Only the port with TLS is open to others than this machine.
        authority = (installation.authority / "ca.crt").read_text(encoding="utf-8")
        server |= {"port": installation.tls_port, "tls": True, "ca": authority}
    else:
        server["port"] = int(settings["MOTE_MQTT_PORT"])
    tls = " with TLS" if "tls" in server else ""
    echo(f"The board will look for the backend at {server['host']}:{server['port']}{tls}", err=True)
    return {**document, "mqtt": {**document.get("mqtt", {}), **server}}


def _logins(data: Path | None, stack: bool) -> "Logins":
    if stack:
        from motekit.stack.registration import Registration

        return Registration(_installation(data))
    from motekit.credentials import AccountError
    from motekit.hub.accounts import Accounts

    try:
        return Accounts(data or places.data() / "hub")
    except (AccountError, OSError) as error:
        fail(error)


def _installation(data: Path | None) -> "Installation":
    from motekit.stack.installation import DOCKER, Installation

    found = Installation(data or Path(os.environ.get("MOTE_STATE", DOCKER / "state")))
    if not found.made:
        fail(f"there is no backend in {found.state}: mote stack up makes one")
    return found


def _tell(done: "Provisioned", stack: bool) -> None:
    echo(f"{done.port}: {done.id} is ready ({done.mac}), with Mote {done.mote}")
    if done.account:
        where = "backend" if stack else "hub"
        echo(f"Its login is registered with the {where}, which lets it in at once")
    echo("Next: mote listen shows its readings; mote label prints a label for it")
