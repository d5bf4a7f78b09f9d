"""`mote stack add`, `remove`, `list` and `secret`: who may log in where."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from motekit.acl import Role
from motekit.commands import stack_shared
from motekit.commands.device_login import LOGIN_NOTES, echo_login
from motekit.commands.stack_shared import Json
from motekit.exits import explained
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.stack.installation import Installation

ADD = explained("mote stack add greenhouse cellar", "mote stack add anna --role viewer")
REMOVE = explained("mote stack remove greenhouse")
LIST = explained("mote stack list --json")
SECRET = explained("mote stack secret grafana")
# The broker lets a device in with that client id only.
_PERSON_NOTE = (
    "The broker lets a person in with the user name as MQTT client id, one connection at a time."
)
_CLIENT_ID_NOTE = "Devices without Mote need the user name as MQTT client id, too."


class PersonRole(StrEnum):
    """What a person may do."""

    viewer = "viewer"
    operator = "operator"


def add(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Devices or people.")],
    role: Annotated[
        PersonRole | None,
        typer.Option(
            help="Make accounts for people: viewer reads readings, states and logs; operator also "
            "sends commands to boards.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make accounts for devices, or for people, and print their passwords, once."""
    installation = stack_shared.made(context)
    given = Role(role) if role else Role.DEVICE
    with stack_shared.failures_told():
        passwords = installation.accounts.add(names, given)
    _tell_broker(installation, passwords, given)
    if as_json:
        logins = [{"user": user, "password": password} for user, password in passwords.items()]
        print_json(logins)
        return
    for user, password in passwords.items():
        echo_login(user, password)
    if role:
        echo(_PERSON_NOTE, err=True)
        return
    echo(*LOGIN_NOTES, _CLIENT_ID_NOTE, *_server_notes(installation), err=True)


def remove(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The device's id, or the person's name.")],
    as_json: Json = False,
) -> None:
    """Remove an account and disconnect it; what it has sent stays."""
    installation = stack_shared.made(context)
    with stack_shared.failures_told():
        installation.accounts.remove(name)
    _tell_broker(installation, removed=(name,))
    if as_json:
        print_json({"removed": name})
    else:
        echo(f"{name} can no longer log in.")


def list_accounts(context: typer.Context, as_json: Json = False) -> None:
    """List the devices and the people that have an account."""
    accounts = stack_shared.made(context).accounts
    devices, people = accounts.devices(), accounts.people()
    if as_json:
        print_json([*devices, *people])
        return
    echo(*devices or ["No device has an account yet: mote stack add DEVICE"])
    echo(*(f"{name} ({role})" for name, role in people.items()))


def secret(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Which; without, the list.")] = "",
    as_json: Json = False,
) -> None:
    """Print a secret that `init` made, and nothing else."""
    from motekit.stack.installation import SECRETS

    if name and name not in SECRETS:
        raise typer.BadParameter(f"one of {', '.join(SECRETS)}", param_hint="NAME")
    # An empty user: a token, which needs none.
    known = {
        key: {"name": key, "opens": one.opens, "user": one.user} for key, one in SECRETS.items()
    }
    if name:
        found = stack_shared.made(context).secret(name)
        if as_json:
            print_json(known[name] | {"secret": found})
        else:
            echo(found)
    elif as_json:
        print_json(list(known.values()), indent=1)
    else:
        for key, one in SECRETS.items():
            who = f"user {one.user}" if one.user else "a token"
            echo(f"{key:<10}{one.opens} ({who}): mote stack secret {key}")


def _tell_broker(
    installation: "Installation",
    put: dict[str, str] | None = None,
    role: Role = Role.DEVICE,
    removed: tuple[str, ...] = (),
) -> None:
    """Let a running broker know; without Docker nothing runs."""
    from motekit.stack import broker
    from motekit.stack.compose import StackError

    try:
        told = broker.tell(installation, put or {}, removed, role)
    except (StackError, OSError):
        told = False
    if not told:
        echo("The broker does not run; it knows at its next start.", err=True)


def _server_notes(installation: "Installation") -> list[str]:
    """Where a board logs in: with TLS, unless the settings open the port without."""
    from motekit.stack.exposure import is_loopback

    settings = installation.settings()
    host = settings["MOTE_NAMES"].split(",")[0]
    if not is_loopback(settings["MOTE_MQTT_ADDRESS"]):
        return [f"MQTT server: {host}:{settings['MOTE_MQTT_PORT']}"]
    return [
        f"MQTT server: {host}:{settings['MOTE_MQTT_TLS_PORT']} with TLS and the CA certificate "
        f"{installation.authority / 'ca.crt'}.",
        "In a network that you trust, boards can do without TLS: MOTE_MQTT_ADDRESS=0.0.0.0 in "
        f"{installation.settings_file}, then `mote stack up`.",
    ]
