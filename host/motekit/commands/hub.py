"""`mote hub`: broker, store and dashboard in one command, and its accounts."""

import asyncio
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from mote import contract

from motekit import places
from motekit.commands import hub_backup
from motekit.commands.device_login import LOGIN_NOTES, echo_login
from motekit.exits import ENDED, explained, fail
from motekit.terminal import LogFormatter, echo, print_json

if TYPE_CHECKING:
    from motekit.hub import Hub
    from motekit.hub.accounts import Accounts

PORT_MAX = 65_535
app = typer.Typer()
Data = Annotated[
    Path | None,
    typer.Option("--data", help="Folder for readings and accounts.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(
    invoke_without_command=True,
    epilog=explained("mote hub --port 9000 --dashboard-host 0.0.0.0", done=ENDED, stopped=""),
)
def command(
    context: typer.Context,
    data: Data = None,
    mqtt_host: Annotated[
        str, typer.Option(help="Address for boards. On 127.0.0.1 no login is needed.")
    ] = "0.0.0.0",
    mqtt_port: Annotated[
        int, typer.Option(help="Port for boards.", min=0, max=PORT_MAX)
    ] = contract.MQTT_PORT,
    dashboard_host: Annotated[
        str, typer.Option(help="Address of the dashboard. Anything but 127.0.0.1 asks to log in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the dashboard.", min=0, max=PORT_MAX)] = 8080,
    dashboard: Annotated[bool, typer.Option(help="Whether there is a dashboard at all.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print an object at the start and one at the end.")
    ] = False,
) -> None:
    """Run broker, store and dashboard in one; `add`, `remove`, `list` for the logins of boards,
    `backup` and `restore` for everything it keeps.

    Readings are kept, and are there again at the next start.
    """
    if context.invoked_subcommand:
        context.obj = data
        return
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    from motekit.hub import Hub, HubError

    try:
        hub = Hub(
            data or _data(), mqtt_host, mqtt_port, dashboard_host, port if dashboard else None
        )
        asyncio.run(_run(hub, as_json))
    except HubError as error:
        fail(error)


@app.command(epilog=explained("mote hub add greenhouse"))
def add(
    context: typer.Context,
    device: Annotated[str, typer.Argument(help="The device's id.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make an account for a device and print its password, once."""
    from motekit.credentials import AccountError

    try:
        password = _accounts(context, data, create=True).add(device)
    except (AccountError, OSError) as error:
        fail(error)
    if as_json:
        print_json({"user": device, "password": password})
        return
    echo_login(device, password)
    echo(*LOGIN_NOTES, err=True)


@app.command(epilog=explained("mote hub remove greenhouse"))
def remove(
    context: typer.Context,
    device: Annotated[str, typer.Argument(help="The device's id.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Remove a device's account; what it has sent stays."""
    from motekit.credentials import AccountError

    try:
        _accounts(context, data).remove(device)
    except (AccountError, OSError) as error:
        fail(error)
    if as_json:
        print_json({"removed": device})
    else:
        echo(f"{device} can no longer log in.")


@app.command("list", epilog=explained("mote hub list --json"))
def list_accounts(
    context: typer.Context,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List the devices that have an account."""
    names = _accounts(context, data).names()
    if as_json:
        print_json(names)
    else:
        echo(*names or ["No device has an account yet: mote hub add DEVICE"])


app.command(epilog=hub_backup.BACKUP)(hub_backup.backup)
app.command(epilog=hub_backup.RESTORE)(hub_backup.restore)


def _data() -> Path:
    return places.data() / "hub"


def _accounts(context: typer.Context, data: Path | None, *, create: bool = False) -> "Accounts":
    from motekit.credentials import AccountError
    from motekit.hub.accounts import Accounts
    from motekit.hub.backup import BackupError, finish_restore

    folder = data or context.obj or _data()
    try:
        finish_restore(folder)
        return Accounts(folder, create=create)
    except (AccountError, BackupError, OSError) as error:
        fail(error)


async def _run(hub: "Hub", as_json: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await hub.start()
    if as_json:
        _started(hub)
    else:
        _greet(hub)
    await stopped.wait()
    await hub.stop()
    taken, refused = hub.ingest.accepted, hub.ingest.refused
    if as_json:
        print_json({"readings": taken, "refused": refused})
    else:
        echo(f"Stopped. {taken} readings taken, {refused} refused.")


def _started(hub: "Hub") -> None:
    facts = {
        "dashboard": hub.dashboard_url if hub.http_port else None,
        "mqtt_host": hub.mqtt_host,
        "mqtt_port": hub.mqtt_port,
        "data": str(hub.data),
    }
    print_json(facts)


def _greet(hub: "Hub") -> None:
    from motekit.hub.listening import is_loopback, join

    login = "" if is_loopback(hub.mqtt_host) else ", with login: mote hub add DEVICE"
    if hub.http_port:
        echo(f"Dashboard  {hub.dashboard_url}")
    echo(f"Boards     {join(hub.mqtt_host, hub.mqtt_port)}{login}")
    echo(f"Data       {hub.data}")
    echo("Ctrl-C stops the hub; nothing is lost.")
