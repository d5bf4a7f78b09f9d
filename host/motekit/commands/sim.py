"""`mote sim`: virtual boards, one or many, and the knobs of their world."""

import asyncio
import math
import secrets
import signal
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from mote import contract

from motekit import login, places
from motekit.exits import ENDED, explained, fail
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motesim import VirtualBoard, World

app = typer.Typer()
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Board = Annotated[str, typer.Argument(help="The board's name, as `mote sim list` shows it.")]
# Which world the commands of this process are for.
_world: ContextVar[str] = ContextVar("world", default="")
SERVER = "mqtt.local"
SERVER_ADDRESS = "192.168.50.10"


@app.callback(
    invoke_without_command=True,
    epilog=explained("mote sim --count 3 --server 127.0.0.1:1883", done=ENDED, stopped=""),
)
def command(
    context: typer.Context,
    count: Annotated[int, typer.Option(min=1, help="How many boards.")] = 1,
    chip: Annotated[str, typer.Option(help="esp32, esp32s3, esp32c3 or esp32c6.")] = "esp32",
    server: Annotated[
        str, typer.Option(help="MQTT server of this machine that the boards reach.")
    ] = "127.0.0.1",
    interval: Annotated[float, typer.Option(min=1, help="Seconds between readings.")] = 5,
    new: Annotated[
        bool, typer.Option("--new", help="Leave the boards unconfigured, in their setup portal.")
    ] = False,
    world: Annotated[
        str, typer.Option(help="Name of these boards' world, where several run at once.")
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print their logs as an object a line.")
    ] = False,
) -> None:
    """Run virtual boards with real firmware; `set` a sensor, `press` a button, `cut` the power …

    Their serial logs are shown.
    """
    if world and not contract.is_device_id(world):
        raise typer.BadParameter("1 to 32 of A-Z a-z 0-9 _ -", param_hint="--world")
    _world.set(world)
    if context.invoked_subcommand:
        return
    address = login.server(server)
    if address.tls:
        fail("virtual boards are configured without TLS: give the server as host:port")
    from motesim.errors import SimulationError

    from motekit.packages import PackageError
    from motekit.update import KeyFileError

    try:
        target = (address.host, address.port)
        asyncio.run(_run(count, chip, target, interval, new, as_json, control_path(world)))
    except (SimulationError, PackageError, KeyFileError) as error:
        fail(error)


@app.command("list", epilog=explained("mote sim list --json"))
def list_boards(
    as_json: AsJson = False,
) -> None:
    """List the boards and WiFi networks of the running world."""
    answer = _ask(do="list")
    if as_json:
        print_json(answer, indent=1)
        return
    for board in answer["boards"]:
        state = "off" if not board["powered"] else "joined" if board["joined"] else "on"
        knobs = " ".join(f"{name}={value:g}" for name, value in board["quantities"].items())
        echo(f"{board['name']}  {state}  serial {board['serial']}  {knobs}")
        if board["portal"]:
            echo(f"  portal {board['portal']}")
    for wifi in answer["wifi"]:
        echo(f"WiFi {wifi['ssid']}  {'up' if wifi['up'] else 'down'}  loss {wifi['loss']:g}")


@app.command("set", epilog=explained("mote sim set board1 temperature 31.5"))
def set_quantity(
    board: Board,
    quantity: Annotated[str, typer.Argument(help="What to set, such as temperature.")],
    value: Annotated[float, typer.Argument(help="Its value.")],
    as_json: AsJson = False,
) -> None:
    """Set what a sensor of a board measures."""
    if not math.isfinite(value):
        raise typer.BadParameter("a number is needed, such as 21.5", param_hint="VALUE")
    done = f"{board} measures {quantity} {value:g}"
    _do(as_json, done, do="set", board=board, quantity=quantity, value=value)


@app.command(epilog=explained("mote sim press board1 --seconds 4"))
def press(
    board: Board,
    button: Annotated[str, typer.Option(help="Which button.")] = "boot",
    seconds: Annotated[float, typer.Option(min=0, max=25, help="How long it is held.")] = 0.2,
    as_json: AsJson = False,
) -> None:
    """Press a button of a board."""
    done = f"{board}: {button} was held for {seconds:g} s"
    _do(as_json, done, do="press", board=board, button=button, seconds=seconds)


@app.command(epilog=explained("mote sim cut board1"))
def cut(board: Board, as_json: AsJson = False) -> None:
    """Cut the power of a board."""
    _do(as_json, f"{board} has no power", do="cut", board=board)


@app.command(epilog=explained("mote sim power board1"))
def power(board: Board, as_json: AsJson = False) -> None:
    """Give a board its power back."""
    _do(as_json, f"{board} has power", do="power", board=board)


@app.command(epilog=explained("mote sim reset board1"))
def reset(board: Board, as_json: AsJson = False) -> None:
    """Press a board's reset button (EN)."""
    _do(as_json, f"{board} restarts", do="reset", board=board)


@app.command(epilog=explained("mote sim wifi down"))
def wifi(
    state: Annotated[str, typer.Argument(help="up or down")] = "",
    ssid: Annotated[str | None, typer.Option(help="Which network; the first unless given.")] = None,
    loss: Annotated[
        float | None, typer.Option(min=0, max=1, help="Part of the packets that get lost.")
    ] = None,
    password: Annotated[str | None, typer.Option(help="Its new password.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring the WiFi up or down, make it lose packets, change its password."""
    if state not in ("", "up", "down"):
        raise typer.BadParameter("up or down", param_hint="STATE")
    request: dict[str, Any] = {"ssid": ssid}
    if state:
        request["up"] = state == "up"
    if loss is not None:
        request["loss"] = loss
    if password is not None:
        request["password"] = password
    _do(as_json, "The WiFi is as you asked: mote sim list shows it", do="wifi", **request)


def control_path(world: str = "") -> Path:
    """Where a running world listens."""
    return places.cache() / (f"world-{world}.sock" if world else "world.sock")


def _do(as_json: bool, done: str, **request: Any) -> None:
    """Ask the world for something, and say that it is `done`."""
    answer = _ask(**request)
    if as_json:
        print_json(answer)
    else:
        echo(done)


def _ask(**request: Any) -> dict[str, Any]:
    from motesim import control
    from motesim.errors import SimulationError

    try:
        return control.ask(control_path(_world.get()), **request)
    except SimulationError as error:
        fail(error)


async def _run(
    count: int,
    chip: str,
    target: tuple[str, int],
    interval: float,
    new: bool,
    as_json: bool,
    socket: Path,
) -> None:
    from motesim import AccessPoint, World
    from motesim.control import Control

    from motekit.supervision import logged

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(ending, stopped.set)
    async with World() as world:
        home = AccessPoint("Mote Home", secrets.token_hex(6))
        await world.add_access_point(home)
        world.add_host(SERVER, SERVER_ADDRESS, {contract.MQTT_PORT: target})
        control = Control(world, socket)
        await control.open()
        shows = []
        for number in range(1, count + 1):
            board = await _board(world, f"board{number}", chip, home, interval, new)
            await board.power_on()
            shows.append(
                asyncio.create_task(logged("the log of a board", _show_log(board, as_json)))
            )
        if new:
            echo(
                f"In the portal choose the WiFi {home.ssid!r}, password {home.password}, "
                f"and the MQTT server {SERVER}",
                err=as_json,
            )
        await stopped.wait()
        for show in shows:
            show.cancel()
        await control.close()


async def _board(
    world: "World", name: str, chip: str, home: Any, interval: float, new: bool
) -> "VirtualBoard":
    from motesim import BoardSpec
    from motesim.parts import Bme280

    from motekit import update

    config = {
        "version": 1,
        "id": name,
        "wifi": [{"ssid": home.ssid, "password": home.password}],
        "mqtt": {"host": SERVER},
        "interval": interval,
    }
    # They take the updates of this user.
    key = update.public_bytes(update.private_key())
    spec = BoardSpec(name, chip, [Bme280()], None if new else config, key=key)
    return await world.add_board(spec)


async def _show_log(board: "VirtualBoard", as_json: bool) -> None:
    seen = 0
    while True:
        lines = await board.serial.next_lines(seen)
        seen = board.serial.count
        for line in lines:
            said = {"board": board.name, "line": line}
            if as_json:
                print_json(said)
            else:
                echo(f"{board.name} | {line}")
            if contract.LOG_SETUP in line:
                echo(f"{board.name}: its portal is {board.portal_url} here", err=as_json)
