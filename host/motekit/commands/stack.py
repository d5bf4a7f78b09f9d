"""`mote stack`: the backend on Docker Compose, its accounts and its secrets."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motekit.commands import stack_keeping, stack_shared
from motekit.exits import FAILED, fail

if TYPE_CHECKING:
    from motekit.stack.compose import Service
    from motekit.stack.installation import Installation

app = typer.Typer(
    help="The backend on Docker: Mosquitto, Telegraf, InfluxDB, Grafana.", no_args_is_help=True
)
Services = Annotated[list[str] | None, typer.Argument(help="Only these services.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Profile(StrEnum):
    """How much of the backend runs."""

    core = "core"
    full = "full"


@app.callback()
def _state(
    context: typer.Context,
    state: Annotated[
        Path | None,
        typer.Option(
            envvar="MOTE_STATE",
            help="Folder of secrets, certificates and data; docker/state unless given.",
            show_default=False,
        ),
    ] = None,
) -> None:
    context.obj = state


@app.command(epilog="Example: mote stack init --name broker.example.org")
def init(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="A name or address of this machine, for its certificate."),
    ] = None,
) -> None:
    """Make secrets, certificates and settings; what is there stays. `up` does it as well."""
    installation = stack_shared.installation(context)
    for line in stack_shared.make(installation, names):
        typer.echo(f"made {line}")
    typer.echo(f"Ready in {installation.state}. Next: mote stack up")


@app.command(epilog="Example: mote stack up --profile full")
def up(
    context: typer.Context,
    services: Services = None,
    profile: Annotated[
        Profile | None,
        typer.Option(
            help="core, or full: with HTTPS for all pages, last values in Redis, logs, MQTTX and "
            "made-up devices. It is remembered.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Start everything, wait until it is healthy, say where. A second time changes nothing."""
    from motekit.stack.compose import StackError

    installation = stack_shared.installation(context)
    stack_shared.compose(installation)
    made = stack_shared.make(installation, None)
    if profile:
        installation.choose(profile)
    compose = stack_shared.compose(installation)
    for line in made:
        typer.echo(f"made {line}")
    try:
        compose.start(services or [])
        if any(line.startswith(("certificate", "accounts")) for line in made):
            compose.restart("mosquitto")
        stack_shared.wait(compose, services or [])
    except StackError as error:
        fail(str(error))
    stack_shared.say_where(installation, compose)


@app.command(epilog="Example: mote stack status --json")
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show each service: state, health, ports. Ends with 1 unless all are healthy."""
    from motekit.stack.compose import StackError

    try:
        found = stack_shared.compose(stack_shared.made(context)).services()
    except StackError as error:
        fail(str(error))
    if as_json:
        typer.echo(json.dumps([one.__dict__ | {"good": one.good} for one in found], indent=1))
    else:
        _print(found)
    if not found or not all(one.good for one in found):
        raise typer.Exit(FAILED)


@app.command(epilog="Example: mote stack logs telegraf --follow")
def logs(
    context: typer.Context,
    services: Services = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option(min=1, help="How many lines of each.")] = 100,
) -> None:
    """Show what the services say."""
    code = stack_shared.compose(stack_shared.made(context)).logs(services or [], follow, lines)
    raise typer.Exit(FAILED if code else 0)


@app.command(epilog="Example: mote stack down")
def down(context: typer.Context) -> None:
    """Stop everything. Readings, accounts and secrets stay."""
    from motekit.stack.compose import StackError

    installation = stack_shared.made(context)
    try:
        stack_shared.compose(installation).stop()
    except StackError as error:
        fail(str(error))
    typer.echo(f"Stopped. Data and secrets stay in {installation.state}")


app.command(epilog=stack_keeping.BACKUP)(stack_keeping.backup)
app.command(epilog=stack_keeping.RESTORE)(stack_keeping.restore)
app.command(epilog=stack_keeping.UPGRADE)(stack_keeping.upgrade)


@app.command(epilog="Example: mote stack doctor --json")
def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Look for what is wrong with this backend, and say how to mend it."""
    from rich.console import Console

    from motekit.stack.checkup import look

    findings = list(look(stack_shared.installation(context)))
    if as_json:
        typer.echo(json.dumps([one.__dict__ for one in findings], indent=1))
    else:
        console = Console(highlight=False)
        for one in findings:
            console.print(f"{'[green]✓[/]' if one.good else '[red]✗[/]'} {one.what}")
            if not one.good:
                console.print(f"  [dim]{one.remedy}[/]")
    if not all(one.good for one in findings):
        raise typer.Exit(FAILED)


@app.command(epilog="Example: mote stack add greenhouse cellar")
def add(
    context: typer.Context,
    devices: Annotated[list[str], typer.Argument(help="The devices' ids.")],
    as_json: Json = False,
) -> None:
    """Make accounts for devices and print their passwords, once.

    The broker restarts, so boards reconnect; name many devices at once rather than one by one.
    """
    from motekit.stack.accounts import AccountError

    installation = stack_shared.made(context)
    try:
        passwords = installation.accounts.add(devices)
    except AccountError as error:
        fail(str(error))
    _tell_broker(installation)
    if as_json:
        logins = [{"user": user, "password": password} for user, password in passwords.items()]
        typer.echo(json.dumps(logins))
        return
    for user, password in passwords.items():
        typer.echo(f"MQTT user      {user}\nMQTT password  {password}")
    typer.echo(
        "It is shown this once. Enter it under Advanced in the board's setup portal.", err=True
    )


@app.command(epilog="Example: mote stack remove greenhouse")
def remove(
    context: typer.Context,
    device: Annotated[str, typer.Argument(help="The device's id.")],
) -> None:
    """Remove a device's account and disconnect it; what it has sent stays."""
    from motekit.stack.accounts import AccountError

    installation = stack_shared.made(context)
    try:
        installation.accounts.remove(device)
    except AccountError as error:
        fail(str(error))
    _tell_broker(installation)
    typer.echo(f"{device} can no longer log in.")


@app.command("list", epilog="Example: mote stack list --json")
def list_accounts(context: typer.Context, as_json: Json = False) -> None:
    """List the devices that have an account."""
    names = stack_shared.made(context).accounts.devices()
    if as_json:
        typer.echo(json.dumps(names))
    else:
        typer.echo("\n".join(names) or "No device has an account yet: mote stack add DEVICE")


@app.command(epilog="Example: mote stack secret grafana")
def secret(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Which; without, the list.")] = "",
) -> None:
    """Print a secret that `init` made, and nothing else."""
    from motekit.stack.installation import SECRETS

    if name and name not in SECRETS:
        raise typer.BadParameter(f"one of {', '.join(SECRETS)}", param_hint="NAME")
    if name:
        typer.echo(stack_shared.made(context).secret(name))
        return
    for key, one in SECRETS.items():
        who = f"user {one.user}" if one.user else "a token"
        typer.echo(f"{key:<10}{one.opens} ({who}): mote stack secret {key}")


def _tell_broker(installation: "Installation") -> None:
    """Let a running broker read its accounts anew; without Docker nothing runs.

    It is restarted, which keeps every queue. A reload by SIGHUP would forget what waits for a
    reader that is away since the last restart (mosquitto issue 2934).
    """
    from motekit.stack.compose import Compose, StackError

    try:
        told = Compose(installation).restart("mosquitto")
    except (StackError, OSError):
        told = False
    if not told:
        typer.echo("The broker does not run; it knows at its next start.", err=True)


def _print(found: "list[Service]") -> None:
    from rich.console import Console
    from rich.table import Table

    if not found:
        typer.echo("Nothing runs: mote stack up")
        return
    table = Table("service", "state", "ports", box=None, pad_edge=False)
    for one in found:
        mark = "[green]✓[/]" if one.good else "[red]✗[/]"
        table.add_row(f"{mark} {one.name}", one.status, " ".join(map(str, one.ports)))
    Console(highlight=False).print(table)
