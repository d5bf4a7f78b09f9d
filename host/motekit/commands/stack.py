"""`mote stack`: the backend on Docker Compose, its accounts and its secrets."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motekit import terminal
from motekit.commands import stack_accounts, stack_keeping, stack_shared
from motekit.commands.stack_shared import Json
from motekit.exits import DONE, explained, fail
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.stack.compose import Service

app = typer.Typer(
    help="The backend on Docker: Mosquitto, Telegraf, InfluxDB, Grafana.", no_args_is_help=True
)
Services = Annotated[list[str] | None, typer.Argument(help="Only these services.")]


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


@app.command(epilog=explained("mote stack init --name broker.example.org"))
def init(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="A name or address of this machine, for its certificate."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make secrets, certificates and settings; what is there stays. `up` does it as well."""
    installation = stack_shared.installation(context)
    made = stack_shared.make(installation, names)
    if as_json:
        print_json({"state": str(installation.state), "made": made}, indent=1)
        return
    for line in made:
        echo(f"made {line}")
    echo(f"Ready in {installation.state}. Next: mote stack up")


@app.command(
    epilog=explained(
        "mote stack up --profile full",
        done="all services are healthy and stay so",
        failed="one is not (the last lines say which and why)",
        stopped="Ctrl-C broke it off; `mote stack up` goes on",
    )
)
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
    as_json: Json = False,
) -> None:
    """Start everything, wait until it is healthy, say where. A second time changes nothing."""
    installation = stack_shared.recovered(context)
    stack_shared.compose(installation)
    made = stack_shared.make(installation, None)
    if profile:
        installation.choose(profile)
    compose = stack_shared.compose(installation)
    for line in made:
        echo(f"made {line}", err=as_json)
    with stack_shared.failures_told():
        compose.start(services or [])
        if any(line.startswith(("certificate", "accounts")) for line in made):
            compose.restart("mosquitto")
        stack_shared.wait(compose, services or [])
        where = stack_shared.where(installation, compose)
    if as_json:
        facts = {"state": str(installation.state), "profile": installation.profile, "made": made}
        print_json(facts | {"addresses": where}, indent=1)
    else:
        stack_shared.say_where(where)


@app.command(
    epilog=explained(
        "mote stack status --json", done="all are healthy", failed="one is not, or nothing runs"
    )
)
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show each service: state, health, ports, restarts."""
    with stack_shared.failures_told():
        found = stack_shared.compose(stack_shared.made(context)).services()
    if as_json:
        print_json([asdict(one) | {"good": one.good} for one in found], indent=1)
    elif found:
        _print(found)
    if warning := stack_shared.certificate_warning(stack_shared.made(context)):
        echo(f"Warning: {warning}", err=True)
    if not found:
        fail("nothing runs: mote stack up starts it")
    if bad := [one.name for one in found if not one.good]:
        fail(f"not healthy: {', '.join(bad)}. mote stack doctor says what to mend")


@app.command(
    epilog=explained(
        "mote stack logs telegraf --follow",
        done="all is shown, or Ctrl-C ended it",
        stopped="",
    )
)
def logs(
    context: typer.Context,
    services: Services = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option(min=1, help="How many lines of each.")] = 100,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print an object a line: service, time, text.")
    ] = False,
) -> None:
    """Show what the services say."""
    compose = stack_shared.compose(stack_shared.made(context))
    try:
        with stack_shared.failures_told():
            for line in compose.logged(services or [], follow, lines):
                if as_json:
                    print_json(line)
                else:
                    echo(f"{line['service']} | {line['text']}")
    except KeyboardInterrupt:
        raise typer.Exit(DONE) from None


@app.command(epilog=explained("mote stack down"))
def down(context: typer.Context, as_json: Json = False) -> None:
    """Stop everything. Readings, accounts and secrets stay."""
    installation = stack_shared.made(context)
    compose = stack_shared.compose(installation)
    with stack_shared.failures_told():
        stopped = [one.name for one in compose.services()]
        compose.stop()
    if as_json:
        print_json({"stopped": stopped, "state": str(installation.state)})
    else:
        echo(f"Stopped. Data and secrets stay in {installation.state}")


app.command(epilog=stack_keeping.BACKUP)(stack_keeping.backup)
app.command(epilog=stack_keeping.RESTORE)(stack_keeping.restore)
app.command(epilog=stack_keeping.UPGRADE)(stack_keeping.upgrade)


@app.command(
    epilog=explained(
        "mote stack doctor --json",
        done="all is well",
        failed="something is wrong (below each is how to mend it)",
    )
)
def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Look for what is wrong with this backend, and say how to mend it."""

    from motekit.stack.checkup import look

    with stack_shared.failures_told():
        findings = list(look(stack_shared.installation(context)))
    if as_json:
        print_json([asdict(one) for one in findings], indent=1)
    else:
        console = terminal.console()
        for one in findings:
            console.print(terminal.mark(one.good) + terminal.styled(f" {one.what}"))
            if not one.good:
                console.print(terminal.styled(f"  {one.remedy}", "dim"))
    if bad := [one for one in findings if not one.good]:
        fail(f"{bad[0].what}: {bad[0].remedy}")


app.command(epilog=stack_accounts.ADD)(stack_accounts.add)
app.command(epilog=stack_accounts.REMOVE)(stack_accounts.remove)
app.command("list", epilog=stack_accounts.LIST)(stack_accounts.list_accounts)
app.command(epilog=stack_accounts.SECRET)(stack_accounts.secret)


def _print(found: "list[Service]") -> None:
    from rich.table import Table

    table = Table("service", "state", "ports", "restarts", box=None, pad_edge=False)
    for one in found:
        ports = " ".join(map(str, one.ports))
        name = terminal.mark(one.good) + terminal.styled(f" {one.name}")
        table.add_row(name, one.status, ports, str(one.restarts or ""))
    terminal.console().print(table)
