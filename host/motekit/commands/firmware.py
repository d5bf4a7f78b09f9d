"""`mote firmware`: the files that belong on a board, compiled and with its pins."""

import re
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from mote import contract, qr

from motekit.exits import fail


def command(
    folder: Annotated[Path, typer.Argument(help="Where to put the files; made anew.")] = Path(
        "build/board"
    ),
    board: Annotated[
        str, typer.Option(help="Which board, as `--list` names it.")
    ] = "esp32-devkitc",
    protect: Annotated[
        bool, typer.Option("--protect", help="Make a password for the setup network (WPA2).")
    ] = False,
    portal_password: Annotated[
        str, typer.Option(help="The same with a password of your own: 8 to 63 characters.")
    ] = "",
    mac: Annotated[
        str, typer.Option(help="The board's station MAC: prints the code that a phone joins by.")
    ] = "",
    list_boards: Annotated[
        bool, typer.Option("--list", help="List the boards and their pins, and do nothing else.")
    ] = False,
) -> None:
    """Make the files for a board's flash in FOLDER, ready for `mpremote fs cp -r FOLDER/. :`."""
    from motekit import boards, firmware, update
    from motekit.firmware import factory

    if list_boards:
        _list()
        raise typer.Exit
    name = _network(mac)
    own = bool(portal_password)
    if protect and not own:
        portal_password = factory.new_password()
    if portal_password and not 8 <= len(portal_password.encode()) <= 63:
        fail("the password of the setup network needs 8 to 63 bytes (WPA2)")
    # Only what an earlier run made is made anew: the sources have no board.json.
    ours = any((folder / slot / "mote" / "board.json").is_file() for slot in (firmware.SLOT, ""))
    if folder.exists() and not ours and any(folder.iterdir()):
        fail(f"{folder} is not empty: choose another folder, or empty it")
    try:
        key = update.public_bytes(update.private_key())
        tree = firmware.build(boards.profile(board), key=key)
    except (boards.BoardError, firmware.FirmwareError, update.KeyFileError) as error:
        fail(str(error))
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tree, folder)
    if portal_password:
        firmware.write_factory(folder, portal_password)
    count = sum(1 for path in folder.rglob("*") if path.is_file())
    typer.echo(f"{count} files for {boards.profile(board).name} in {folder}")
    if portal_password:
        _tell(name, portal_password, own)
    typer.echo(
        f"It takes updates over the air that are signed with {update.key_file()}: keep a copy"
    )
    typer.echo(f"Next: mpremote fs cp -r {folder}/. : + reset")


def _network(mac: str) -> str:
    """The name of the setup network of the board with this MAC, empty for none."""
    digits = mac.replace(":", "").replace("-", "").upper()
    if digits and not re.fullmatch("[0-9A-F]{12}", digits):
        fail(f"{mac!r} is no MAC: twelve hex digits, as `esptool read-mac` prints them")
    return contract.AP_PREFIX + digits if digits else ""


def _tell(network: str, password: str, own: bool) -> None:
    """Say a password that was made here once, and show the code by which a phone joins."""
    asks = "for your password" if own else f"for the password {password}"
    typer.echo(f"The setup network asks {asks}")
    if network:
        import segno

        typer.echo(f"Scan this with a phone to join {network}:")
        segno.make(qr.wifi(network, password), error="m").terminal(sys.stdout, compact=True)
    else:
        typer.echo("With --mac, the code that a phone joins by is printed as well.")


def _list() -> None:
    from rich.console import Console
    from rich.table import Table

    from motekit import boards

    roles = list(boards.Pins.model_fields)
    table = Table("board", "chip", *roles, "LED", box=None, pad_edge=False)
    for key, one in boards.profiles().items():
        led = one.led.kind if one.led.pin < 0 else f"{one.led.kind} {one.led.pin}"
        table.add_row(key, one.chip, *(str(pin) for _, pin in one.pins), led)
    Console().print(table)
