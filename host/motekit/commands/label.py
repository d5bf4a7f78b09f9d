"""`mote label`: what is stuck onto a board."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motekit import places, private_files
from motekit.commands import completion, setup_network
from motekit.exits import explained, fail
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.labels import Label

EPILOG = explained(
    "mote label labels.pdf --csv provisioning/fleet.example.csv",
    "mote label plant1.svg --port /dev/ttyUSB0",
)

DASHBOARD_PORT = 8080
# Seconds in which this computer answers itself.
ANSWER_S = 1.0


def command(
    file: Annotated[
        Path, typer.Argument(help="The file to write: .pdf, .svg or .png.", dir_okay=False)
    ],
    csv: Annotated[
        Path | None, typer.Option(help="All boards of this class that are done, on A4 sheets.")
    ] = None,
    port: Annotated[
        str,
        typer.Option(
            help="Port of the board, which says the rest; the only one there is.",
            autocompletion=completion.ports,
        ),
    ] = "",
    dashboard: Annotated[
        str,
        typer.Option(help="Address of the dashboard. Default: the hub on this computer."),
    ] = "",
    sheet: Annotated[bool, typer.Option("--sheet", help="A4, also for a single label.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; no password is in it.")
    ] = False,
) -> None:
    """Make labels to print: the name, a code for the setup network, one for the dashboard.

    A label tells the password of the setup network: the file is readable by you alone. Sheets are
    A4 with 3 times 8 labels of 70 by 37 mm; print them at 100 %.
    """
    from motekit.labels import LabelError, render

    try:
        labels = _of_class(csv, dashboard) if csv else [_of_board(port, dashboard)]
        data = render(labels, file.suffix.removeprefix(".").lower(), sheet=sheet or bool(csv))
        private_files.write(file, data)
    except LabelError as error:
        fail(error)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}. Name a folder that is there")
    if not all(one.dashboard for one in labels):
        note_no_dashboard()
    if as_json:
        named = [{"id": one.id, "mac": one.mac, "dashboard": one.dashboard} for one in labels]
        print_json({"file": str(file), "labels": named}, indent=1)
    else:
        echo(f"{file}: {len(labels)} label{'s' * (len(labels) > 1)}, to be printed at 100 %")


def address(device: str, given: str = "") -> str:
    """The page of a device on the dashboard at `given`, or the hub's on this computer.

    Empty where a phone cannot reach it: the hub serves its dashboard to this computer only, unless
    it was started with --dashboard-host.
    """
    from motekit.hub import announce, hub_state

    base = given
    if not base and _reached_by_others(DASHBOARD_PORT):
        hub = hub_state.running(places.data() / "hub")
        scheme = "https" if hub and hub.dashboard.startswith("https:") else "http"
        base = f"{scheme}://{announce.own_name()}:{DASHBOARD_PORT}"
    return f"{base.rstrip('/')}/device/{device}" if base else ""


def note_no_dashboard() -> None:
    """Say why the labels have one code."""
    echo(
        "The labels have no code for a dashboard: phones reach none on this computer. Start the "
        "hub with --dashboard-host 0.0.0.0, or give an address with --dashboard",
        err=True,
    )


@cache
def _reached_by_others(port: int) -> bool:
    """Whether something listens on `port` at an address of this computer that others have."""
    import socket

    from motekit.hub import listening

    for own in listening.own_addresses():
        try:
            with socket.create_connection((own, port), ANSWER_S):
                return True
        except OSError:
            continue
    return False


def _of_class(csv: Path, dashboard: str) -> "list[Label]":
    from motekit.labels import Label
    from motekit.provision import journal

    try:
        entries = journal.read(journal.beside(csv))
    except journal.JournalError as error:
        fail(error)
    done = [one for one in entries if one.done]
    if not done:
        fail(f"no board of {csv} is done yet: mote provision --csv {csv}")
    return [Label(one.id, one.mac, one.setup_password, address(one.id, dashboard)) for one in done]


def _of_board(port: str, dashboard: str) -> "Label":
    from motekit.labels import Label
    from motekit.provision import DeviceError, device
    from motekit.serial import PortError, ports

    try:
        with device.at(ports.choose(port)) as board:
            seen = board.look()
            secret = board.setup_password()
    except (DeviceError, PortError) as error:
        fail(error)
    name = seen.id or setup_network.network(seen.mac)
    return Label(name, seen.mac, secret, address(seen.id, dashboard) if seen.id else "")
