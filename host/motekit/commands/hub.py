"""`mote hub`: broker, store and dashboard in one command, and its accounts."""

import asyncio
import logging
import signal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from mote import contract

from motekit import places
from motekit.commands import hub_backup
from motekit.commands.device_login import LOGIN_NOTES, echo_login
from motekit.credentials import OWNER
from motekit.exits import DONE, ENDED, explained, fail
from motekit.terminal import LogFormatter, echo, print_json

if TYPE_CHECKING:
    from motekit.hub import Hub
    from motekit.hub.accounts import Accounts

PORT_MAX = 65_535
app = typer.Typer()
_TLS = "TLS"


class PersonRole(StrEnum):
    """What a person may do; `motekit.acl` has the rights."""

    VIEWER = "viewer"
    OPERATOR = "operator"


Data = Annotated[
    Path | None,
    typer.Option("--data", help="Folder for readings and accounts.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(
    invoke_without_command=True,
    epilog=explained(
        "mote hub --port 9000", "mote hub --tls --dashboard-host 0.0.0.0", done=ENDED, stopped=""
    ),
)
def command(
    context: typer.Context,
    data: Data = None,
    mqtt_host: Annotated[
        str, typer.Option(help="Address for boards. On 127.0.0.1 no login is needed.")
    ] = "0.0.0.0",
    mqtt_port: Annotated[
        int,
        typer.Option(
            help="Port for boards; with --tls for this computer only.", min=0, max=PORT_MAX
        ),
    ] = contract.MQTT_PORT,
    dashboard_host: Annotated[
        str, typer.Option(help="Address of the dashboard. Anything but 127.0.0.1 asks to log in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the dashboard.", min=0, max=PORT_MAX)] = 8080,
    dashboard: Annotated[bool, typer.Option(help="Whether there is a dashboard at all.")] = True,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A further name by which browsers reach the dashboard, such as that of a proxy. "
            "It answers to addresses and to the names of this computer.",
            show_default=False,
        ),
    ] = None,
    tls: Annotated[
        bool,
        typer.Option(
            "--tls",
            help="Encrypt what boards and browsers on other computers send, with a certificate of "
            "the hub's own authority.",
            rich_help_panel=_TLS,
        ),
    ] = False,
    tls_port: Annotated[
        int,
        typer.Option(help="Port for boards with TLS.", min=0, max=PORT_MAX, rich_help_panel=_TLS),
    ] = contract.MQTT_TLS_PORT,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            help="Use this certificate (chain, PEM) instead; turns on --tls.",
            show_default=False,
            rich_help_panel=_TLS,
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(help="The key of --tls-cert, PEM.", show_default=False, rich_help_panel=_TLS),
    ] = None,
    also_plain: Annotated[
        bool,
        typer.Option(
            "--also-plain",
            help="With --tls: let boards connect without TLS, too, while you move them.",
            rich_help_panel=_TLS,
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print an object at the start and one at the end.")
    ] = False,
) -> None:
    """Run broker, store and dashboard in one; `add`, `add-user`, `password`, `remove`, `list` for
    the logins of boards and people, `backup` and `restore` for everything it keeps.

    Readings are kept, and are there again at the next start.
    """
    if context.invoked_subcommand:
        context.obj = data
        return
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    from motekit.hub import Hub, HubError
    from motekit.hub.tls import TlsOptions

    options = None
    if tls or tls_cert or tls_key:
        options = TlsOptions(tls_port, tls_cert, tls_key, also_plain)
    elif also_plain:
        raise typer.BadParameter("only with --tls", param_hint="--also-plain")
    try:
        hub = Hub(
            data or _data(),
            mqtt_host,
            mqtt_port,
            dashboard_host,
            port if dashboard else None,
            options,
            allowed_host or (),
        )
        asyncio.run(_run(hub, as_json))
    except HubError as error:
        fail(error)
    except KeyboardInterrupt:
        # While it waited for the store.
        raise typer.Exit(DONE) from None


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


@app.command(epilog=explained("mote hub add-user anna", "mote hub add-user ben --role operator"))
def add_user(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The person's user name.")],
    role: Annotated[
        PersonRole,
        typer.Option(
            help="viewer: see the dashboard and read over MQTT; operator: command boards, too."
        ),
    ] = PersonRole.VIEWER,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make an account for a person or a program and print its password, once.

    It logs in to the dashboard and to the broker: a viewer suits Home Assistant and MQTTX.
    """
    from motekit.acl import Role
    from motekit.credentials import AccountError

    try:
        password = _accounts(context, data, create=True).add_person(name, Role(role))
    except (AccountError, OSError) as error:
        fail(error)
    if as_json:
        print_json({"user": name, "password": password, "role": role})
        return
    _echo_person(name, password)
    echo("The password is shown this once; it holds for the dashboard and for MQTT.", err=True)


@app.command(epilog=explained("mote hub password", "mote hub password anna"))
def password(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="The user name, or a device's id; the owner unless given.")
    ] = OWNER,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Give an account a new password and print it; whoever uses the old one is logged out at once.

    The owner's is also in the file owner.password in the hub's data folder.
    """
    from motekit.credentials import AccountError

    try:
        made = _accounts(context, data).renew(name)
    except (AccountError, OSError) as error:
        fail(error)
    if as_json:
        print_json({"user": name, "password": made})
    else:
        _echo_person(name, made)


@app.command(epilog=explained("mote hub remove greenhouse"))
def remove(
    context: typer.Context,
    device: Annotated[str, typer.Argument(help="The device's id, or the user name of a person.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Remove the account of a device or a person, who is logged out at once.

    What a device has sent stays.
    """
    from motekit.credentials import AccountError

    try:
        _accounts(context, data).remove(device)
    except (AccountError, OSError) as error:
        fail(error)
    if as_json:
        print_json({"removed": device})
    else:
        echo(f"{device} can no longer log in.")


@app.command("list", epilog=explained("mote hub list --json", "mote hub list --users"))
def list_accounts(
    context: typer.Context,
    users: Annotated[bool, typer.Option("--users", help="List people with their roles.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List the devices that have an account, or the people."""
    accounts = _accounts(context, data)
    if users:
        people = {OWNER: "owner", **accounts.people()}
        if as_json:
            print_json([{"user": name, "role": role} for name, role in people.items()])
        else:
            echo(*(f"{name}  {role}" for name, role in people.items()))
        return
    names = accounts.names()
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
    starting, stopping = asyncio.create_task(hub.start()), asyncio.create_task(stopped.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        starting.result()
        if as_json:
            _started(hub)
        else:
            _greet(hub)
        _warn(hub)
        await stopped.wait()
    else:
        # It waits for the store, or for a slow dashboard.
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    stopping.cancel()
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
        "tls_port": hub.tls_port,
        "data": str(hub.data),
    }
    print_json(facts)


def _greet(hub: "Hub") -> None:
    from motekit.hub.listening import is_loopback, join

    login = "" if is_loopback(hub.mqtt_host) else ", with login: mote hub add DEVICE"
    if hub.http_port:
        echo(f"Dashboard  {hub.dashboard_url}")
    if hub.tls_port:
        echo(f"Boards     {join(hub.mqtt_host, hub.tls_port)} with TLS{login}")
        if hub.authority:
            from motekit.certificates import fingerprint

            echo(f"CA         {hub.authority}", f"  SHA-256  {fingerprint(hub.authority)}")
        local = "this computer" if is_loopback(hub.plain_host) else "boards without TLS"
        echo(f"No TLS     {join(hub.plain_host, hub.mqtt_port)} for {local}")
    else:
        echo(f"Boards     {join(hub.mqtt_host, hub.mqtt_port)}{login}")
    echo(f"Data       {hub.data}")
    echo("Ctrl-C stops the hub; nothing is lost.")


def _warn(hub: "Hub") -> None:
    """Say what others in the network can read, and how to end that."""
    if not hub.exposed:
        return
    what = " and ".join(hub.exposed)
    remedy = "start the hub without --also-plain" if hub.tls_port else "mote hub --tls"
    echo(
        f"Warning: without TLS, others in the network can read {what}. To encrypt them: {remedy} "
        "(docs/how-to/secure-the-hub.md)",
        err=True,
    )


def _echo_person(name: str, password: str) -> None:
    echo(f"User      {name}", f"Password  {password}")
