"""What commands that talk with boards over MQTT share: options, the question, the outcome."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from mote import contract

from motekit import login, places, terminal
from motekit.exits import FAILED, STOPPED, complain, fail
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.flash import Watch
    from motekit.orders import Conversation, Orders, Roster, Server

ALL = "all"
# How a command ends that lets boards do something.
BOARDS = {
    "done": "every board did it",
    "failed": "one did not (the last line says why and what to do)",
}
_PANEL = "Server and login"

Server_ = Annotated[
    str,
    typer.Option(
        "--server",
        help="MQTT server: host, host:port, or mqtts://host for TLS.",
        rich_help_panel=_PANEL,
    ),
]
User = Annotated[
    str,
    typer.Option(
        "--user",
        help="User; the password comes from MOTE_PASSWORD or a prompt. Without one, the owner of "
        "a hub on this machine.",
        rich_help_panel=_PANEL,
    ),
]
Ca = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        help="CA of the server, PEM: connects with TLS. Default with mqtts://: the system's.",
        exists=True,
        dir_okay=False,
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="The local hub's data folder.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
Wait = Annotated[
    float, typer.Option("--wait", min=0, help="Seconds to wait for a board that is offline.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before several boards are changed.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WAIT_S = 10.0
HERE = login.HERE[0]

Result = dict[str, Any]


@dataclass(frozen=True)
class Meeting:
    """A connection to the server, and what is heard of the boards there."""

    talk: "Conversation"
    roster: "Roster"
    orders: "Orders"


def boards(names: list[str]) -> list[str]:
    """The devices that were named, each once. Raises typer.BadParameter."""
    for name in names:
        if not contract.is_device_id(name):
            raise typer.BadParameter(
                f"{name!r} is no device id: 1 to {contract.ID_MAX} of A-Z a-z 0-9 _ -",
                param_hint="DEVICE",
            )
    if ALL in names and len(names) > 1:
        raise typer.BadParameter("either devices or all", param_hint="DEVICE")
    return list(dict.fromkeys(names))


def server(text: str, user: str, ca: Path | None, data: Path | None) -> "Server":
    """Where to go and who one is. Raises typer.Exit."""
    from motekit.orders import Server

    address = login.here(text, data, tls=bool(ca))
    name, password = login.login(user, address, data)
    return Server(address.host, address.port, name, password, ca, address.tls)


def run(work: Coroutine[Any, Any, Any], stopped: str = "stopped") -> Any:
    """Do `work` in a loop of its own; its errors end the command. Raises typer.Exit."""
    from motekit.orders import OrderError, ServerError

    try:
        return asyncio.run(work)
    except (ServerError, OrderError) as error:
        fail(error)
    except KeyboardInterrupt:
        complain(stopped)
        raise typer.Exit(STOPPED) from None


@asynccontextmanager
async def meeting(
    server: "Server", wait_s: float = 0, data: Path | None = None
) -> AsyncIterator[Meeting]:
    """Raises ServerError."""
    from motekit.orders import Orders, Roster, conversation

    async with conversation(server) as talk:
        roster = Roster(talk, _gone_since(server.host, data))
        yield Meeting(talk, roster, Orders(talk, roster, wait_s))


def _gone_since(host: str, data: Path | None) -> dict[str, float]:
    """Since when boards are offline, as a hub of this machine knows it."""
    file = (data or places.data() / "hub") / "readings.db"
    if host not in login.HERE or not file.is_file():
        return {}
    import sqlite3

    from motekit.hub.queries import StoreReader

    store = StoreReader(file)
    try:
        return {one.id: one.changed_ns / 1e9 for one in store.devices() if not one.online}
    except sqlite3.Error:
        # It is only for the text of an error.
        return {}
    finally:
        store.close()


async def chosen(met: Meeting, names: list[str], does: str, yes: bool) -> list[str]:
    """The devices to go on with, after the person agreed. Raises typer.Exit, typer.Abort.

    `does` is what happens to them, such as "restarts {}".
    """
    if names == [ALL]:
        names = await everybody(met)
    elif len(names) == 1:
        return names
    agree(f"This {does.format(_counted(names))}: {', '.join(names)}", yes=yes)
    return names


async def everybody(met: Meeting) -> list[str]:
    """The boards that are online; who is left out is told. Raises typer.Exit when there is none."""
    await met.roster.watch()
    names = met.roster.online()
    away = sorted(set(met.roster.devices) - set(names))
    if away:
        echo(f"Offline, and left out: {', '.join(away)}", err=True)
    if not names:
        fail("no board is online on this server: `mote devices` shows who is known")
    return names


def agree(*lines: str, yes: bool) -> None:
    """Say what will be done, and ask. Raises typer.Exit when nobody can be asked, typer.Abort."""
    echo(*lines, err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        fail("no terminal to ask at: add --yes")
    typer.confirm("Go on?", abort=True, err=True)


async def each(names: list[str], act: "Callable[[str, Watch], Awaitable[Result]]") -> list[Result]:
    """What `act` gave for each board, all at once; an OrderError is an outcome, too."""

    from motekit.flash import display
    from motekit.orders import OrderError

    async def one(name: str) -> Result:
        try:
            return {"device": name, "ok": True, **await act(name, shown.watch(name))}
        except OrderError as error:
            return {"device": name, "ok": False, "error": str(error)}

    with display.on(terminal.console(stderr=True), asks=False) as shown:
        return list(await asyncio.gather(*map(one, names)))


def tell(results: list[Result], as_json: bool, sentence: Callable[[Result], str]) -> None:
    """Print the outcomes. Raises typer.Exit when one is not ok."""
    if as_json:
        print_json(results, indent=1)
    for one in results:
        if not one["ok"]:
            complain(one["error"])
        elif not as_json:
            echo(sentence(one))
    if not all(one["ok"] for one in results):
        raise typer.Exit(FAILED)


def _counted(names: list[str]) -> str:
    return f"{len(names)} boards" if len(names) > 1 else "1 board"
