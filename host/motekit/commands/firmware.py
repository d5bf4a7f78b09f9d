"""`mote firmware`: the files that belong on a board, compiled and with its pins."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from motekit import terminal
from motekit.commands import completion, setup_network, update_key
from motekit.exits import explained, fail
from motekit.terminal import echo, print_json

EPILOG = explained("mote firmware build/board --board xiao-esp32c3")


def command(
    folder: Annotated[Path, typer.Argument(help="Where to put the files; made anew.")] = Path(
        "build/board"
    ),
    board: Annotated[
        str,
        typer.Option(
            help="Which board, as `--list` names it.",
            autocompletion=completion.boards,
        ),
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
    chosen_key: update_key.Chosen = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with the password that was made.")
    ] = False,
) -> None:
    """Make the files for a board: compiled, with its pins; `--list` names the boards.

    They lie in FOLDER, ready for `mpremote fs cp -r FOLDER/. :`.
    """
    from motekit import boards, firmware, update

    if list_boards:
        _list(as_json)
        raise typer.Exit
    name = setup_network.network(mac)
    secret = setup_network.password(protect, portal_password)
    # Only what an earlier run made is made anew: the sources have no board.json.
    ours = any((folder / slot / "mote" / "board.json").is_file() for slot in (firmware.SLOT, ""))
    if folder.exists() and not ours and any(folder.iterdir()):
        fail(f"{folder} is not empty: choose another folder, or empty it")
    try:
        key = update.trusted_bytes(chosen_key)
        tree = firmware.build(boards.profile(board), key=key)
    except (boards.BoardError, firmware.FirmwareError, update.KeyFileError) as error:
        fail(error)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tree, folder)
    if secret:
        firmware.write_factory(folder, secret)
    count = sum(1 for path in folder.rglob("*") if path.is_file())
    if as_json:
        facts = {"folder": str(folder), "board": board, "files": count}
        facts |= {} if chosen_key else {"key": str(update.key_file())}
        facts |= {"update_key": update.fingerprint(key)}
        facts |= {"portal_password": secret} if secret else {}
        print_json(facts, indent=1)
        return
    echo(f"{count} files for {boards.profile(board).name} in {folder}")
    if secret:
        setup_network.tell(name, secret, own=bool(portal_password))
    echo(update_key.sentence(key, chosen_key))
    echo(f"Next: mpremote fs cp -r {folder}/. : + reset")


def _list(as_json: bool) -> None:
    from rich.table import Table

    from motekit import boards

    if as_json:
        known = [{"key": key, **one.model_dump()} for key, one in boards.profiles().items()]
        print_json(known, indent=1)
        return
    roles = list(boards.Pins.model_fields)
    table = Table("board", "chip", *roles, "LED", box=None, pad_edge=False)
    for key, one in boards.profiles().items():
        led = one.led.kind if one.led.pin < 0 else f"{one.led.kind} {one.led.pin}"
        table.add_row(key, one.chip, *(str(pin) for _, pin in one.pins), led)
    terminal.console().print(table)
