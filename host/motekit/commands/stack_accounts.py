"""`mote stack add`, `remove`, `list` and `secret`: who may log in where."""

from typing import TYPE_CHECKING, Annotated

import typer

from motekit.commands import stack_shared
from motekit.commands.device_login import LOGIN_NOTES, echo_login
from motekit.commands.stack_shared import Json
from motekit.exits import explained
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.stack.installation import Installation

ADD = explained("mote stack add greenhouse cellar")
REMOVE = explained("mote stack remove greenhouse")
LIST = explained("mote stack list --json")
SECRET = explained("mote stack secret grafana")
# The broker lets a device in with that client id only.
_CLIENT_ID_NOTE = "Devices without Mote need the user name as MQTT client id, too."


def add(
    context: typer.Context,
    devices: Annotated[list[str], typer.Argument(help="The devices' ids.")],
    as_json: Json = False,
) -> None:
    """Make accounts for devices and print their passwords, once.

    The broker restarts, so boards reconnect; name many devices at once rather than one by one.
    """
    installation = stack_shared.made(context)
    with stack_shared.failures_told():
        passwords = installation.accounts.add(devices)
    _tell_broker(installation)
    if as_json:
        logins = [{"user": user, "password": password} for user, password in passwords.items()]
        print_json(logins)
        return
    for user, password in passwords.items():
        echo_login(user, password)
    echo(*LOGIN_NOTES, _CLIENT_ID_NOTE, err=True)


def remove(
    context: typer.Context,
    device: Annotated[str, typer.Argument(help="The device's id.")],
    as_json: Json = False,
) -> None:
    """Remove a device's account and disconnect it; what it has sent stays."""
    installation = stack_shared.made(context)
    with stack_shared.failures_told():
        installation.accounts.remove(device)
    _tell_broker(installation)
    if as_json:
        print_json({"removed": device})
    else:
        echo(f"{device} can no longer log in.")


def list_accounts(context: typer.Context, as_json: Json = False) -> None:
    """List the devices that have an account."""
    names = stack_shared.made(context).accounts.devices()
    if as_json:
        print_json(names)
    else:
        echo(*names or ["No device has an account yet: mote stack add DEVICE"])


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
        echo("The broker does not run; it knows at its next start.", err=True)
