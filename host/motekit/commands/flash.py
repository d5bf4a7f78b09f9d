"""`mote flash`: from a bare board to one that runs, in one pass."""

import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motekit.commands import completion, setup_network
from motekit.exits import DISK_FULL, FAILED, STOPPED, explained, fail, reason
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.flash import Flashed, Wish
    from motekit.flash.display import Display
    from motekit.terminal_console import SafeConsole

EPILOG = explained(
    "mote flash --board xiao-esp32c3",
    done="every board runs",
    failed="one does not (the last line says why and what to do)",
    note=" After 1 and 130 the same command finishes the job.",
)


@dataclass(frozen=True)
class Failed:
    """A board that is not done. `problem` is a stable word for programs."""

    port: str
    problem: str
    error: str


def command(
    port: Annotated[
        list[str] | None,
        typer.Argument(
            help="The board's port, or several; also a serial server, such as "
            "rfc2217://host:4000. The only board there is unless given.",
            autocompletion=completion.ports,
            show_default=False,
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every attached board at once.")] = False,
    board: Annotated[
        str,
        typer.Option(
            help="Which board, as mote firmware --list names it; else by its chip.",
            autocompletion=completion.boards,
        ),
    ] = "",
    firmware: Annotated[
        Path | None,
        typer.Option(help="MicroPython image to use, where there is no internet.", dir_okay=False),
    ] = None,
    source: Annotated[
        str, typer.Option(help="Where the official images are; micropython.org unless given.")
    ] = "",
    flash_size: Annotated[
        str, typer.Option(help="Size of the flash, such as 4MB; the board tells it unless given.")
    ] = "",
    baud: Annotated[
        int, typer.Option(min=9600, help="Bits a second; 115200 follows when that fails.")
    ] = 460800,
    erase: Annotated[
        bool, typer.Option("--erase", help="Erase everything, the settings as well.")
    ] = False,
    open_network: Annotated[
        bool, typer.Option("--open", help="Make no password for the setup network of a new board.")
    ] = False,
    portal_password: Annotated[
        str, typer.Option(help="A password of your own for it: 8 to 63 characters.")
    ] = "",
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the board to run; 0 does not.")
    ] = 30,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --all.")] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON, with the password of each setup network."),
    ] = False,
) -> None:
    """Flash a board, or `--all` at once: keeps their settings, verifies, waits until they run.

    Readings not yet sent are kept as well. What is there already is not written again.
    """

    from motekit import terminal, update
    from motekit.commands import runtimes
    from motekit.flash import Wish, display

    own = setup_network.password(False, portal_password)
    size = _size(flash_size)
    _check(board, firmware)
    ports = _ports(port or [], every)
    if every and len(ports) > 1 and not yes:
        _ask(ports)
    try:
        key = update.public_bytes(update.private_key())
    except update.KeyFileError as error:
        fail(error)
    wish = Wish(
        runtime=runtimes.Shared(firmware, source),
        board=board,
        flash_size=size,
        baud=baud,
        erase=erase,
        protect=not open_network,
        password=own,
        wait_s=wait,
        key=key,
    )
    console = terminal.console(stderr=True)
    shown = display.on(console, asks=sys.stdin.isatty() and not as_json)
    try:
        outcomes = _flash(ports, wish, shown)
    except KeyboardInterrupt:
        _complain(console, "stopped; the same command finishes the job")
        raise typer.Exit(STOPPED) from None
    if as_json:
        print_json([asdict(one) for one in outcomes], indent=1)
    for outcome in outcomes:
        if isinstance(outcome, Failed):
            _complain(console, f"{outcome.port}: {outcome.error}")
        elif not as_json:
            _tell(outcome, own=bool(own))
    if any(isinstance(outcome, Failed) for outcome in outcomes):
        raise typer.Exit(FAILED)


def _flash(ports: list[str], wish: "Wish", shown: "Display") -> "list[Flashed | Failed]":
    """Flash all of `ports` at once, each in a thread of its own."""
    cancelled = threading.Event()
    outcomes: dict[str, Flashed | Failed] = {}

    def one(port: str) -> None:
        outcomes[port] = _outcome(port, wish, shown, cancelled)

    threads = [threading.Thread(target=one, args=(port,)) for port in ports]
    with shown:
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            cancelled.set()
            for thread in threads:
                thread.join()
            raise
    return [outcomes[port] for port in ports]


def _outcome(
    port: str, wish: "Wish", shown: "Display", cancelled: threading.Event
) -> "Flashed | Failed":
    from motekit import boards, image
    from motekit import firmware as tree
    from motekit.flash import Cancelled, FlashError, flash
    from motekit.serial import PortError, ports

    try:
        return flash(port, ports.opened, wish, shown.watch(port), cancelled)
    except FlashError as error:
        return Failed(port, error.kind, str(error))
    except PortError as error:
        return Failed(port, "port", str(error))
    except (image.ImageError, tree.FirmwareError, boards.BoardError) as error:
        return Failed(port, "image", str(error))
    except OSError as error:
        return Failed(port, "disk-full" if error.errno in DISK_FULL else "system", reason(error))
    except Cancelled:
        return Failed(port, "stopped", "stopped")


def _ports(given: list[str], every: bool) -> list[str]:
    from motekit.serial import PortError, ports

    if given and every:
        raise typer.BadParameter("either ports or --all", param_hint="PORT")
    try:
        found = [one.path for one in ports.find()] if every else []
        return found or [ports.choose(one) for one in given or [""]]
    except PortError as error:
        fail(error)


def _check(board: str, firmware: Path | None) -> None:
    """What is wrong on the command line is told before a board is touched. Raises typer.Exit."""
    from motekit import boards, image

    try:
        if board:
            boards.profile(board)
        if firmware:
            image.read(firmware.read_bytes())
    except boards.BoardError as error:
        fail(error)
    except image.ImageError as error:
        fail(f"{firmware}: {error}")
    except OSError as error:
        fail(f"{firmware} cannot be read: {error.strerror}")


def _size(text: str) -> int:
    from motekit import boards

    try:
        return boards.flash_bytes(text) if text else 0
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--flash-size") from None


def _complain(console: "SafeConsole", text: str) -> None:
    console.print(f"mote: {text}", style="red", soft_wrap=True)


def _ask(ports: list[str]) -> None:
    echo(f"This flashes {len(ports)} boards: {', '.join(ports)}", err=True)
    if not sys.stdin.isatty():
        fail("no terminal to ask at: add --yes")
    typer.confirm("Go on?", abort=True, err=True)


def _tell(done: "Flashed", own: bool) -> None:
    from motekit import boards

    board = boards.profile(done.board)
    ratio = f"{done.written / 1e6:.1f} of {done.total / 1e6:.1f} MB had to be written"
    echo(f"{done.port}: {board.name} {done.mac} has Mote {done.mote}; {ratio}")
    if done.configured:
        echo("Its settings are kept: it joins its WiFi, and `mote listen` shows its readings")
        return
    if done.password:
        setup_network.tell(done.network, done.password, own=own)
    else:
        echo(f"Next: join the WiFi {done.network} with a phone; it has no password")
    echo("The page opens by itself; if not: http://192.168.4.1")
