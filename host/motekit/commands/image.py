"""`mote image`: one file for the flash of a board, with everything on it; and what is in one."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motekit import terminal
from motekit.commands import completion, setup_network, update_key
from motekit.exits import explained, fail
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.image import Image
    from motekit.image.contents import Contents

app = typer.Typer()
EPILOG = explained("mote image --board xiao-esp32c3 --config greenhouse.json")


@app.callback(
    invoke_without_command=True,
    epilog=EPILOG,
)
def command(
    context: typer.Context,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The image; build/mote-BOARD.bin unless given.",
            show_default=False,
        ),
    ] = None,
    board: Annotated[
        str,
        typer.Option(
            help="Which board, as `mote firmware --list` names it.",
            autocompletion=completion.boards,
        ),
    ] = "esp32-devkitc",
    flash_size: Annotated[
        str, typer.Option(help="The board's flash, like 8MB; that of its profile unless given.")
    ] = "",
    firmware: Annotated[
        Path | None,
        typer.Option(
            help="A MicroPython image of your own, in place of the official one.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str, typer.Option(help="Where the official images are; micropython.org unless given.")
    ] = "",
    config: Annotated[
        Path | None,
        typer.Option(
            help="A configuration that the board starts with; else it opens its setup portal.",
            show_default=False,
        ),
    ] = None,
    protect: Annotated[
        bool, typer.Option("--protect", help="Make a password for the setup network (WPA2).")
    ] = False,
    portal_password: Annotated[
        str, typer.Option(help="The same with a password of your own: 8 to 63 characters.")
    ] = "",
    mac: Annotated[
        str, typer.Option(help="The board's station MAC: prints the code that a phone joins by.")
    ] = "",
    web: Annotated[
        Path | None,
        typer.Option(
            help="Write a page that installs from the browser into this folder instead.",
            show_default=False,
        ),
    ] = None,
    publisher: Annotated[
        str, typer.Option(help="With --web: who holds the update key, as the page says.")
    ] = "",
    flasher_args: Annotated[
        Path | None,
        typer.Option(
            help="Write flasher_args.json and parts, as for Wokwi, into this folder instead.",
            show_default=False,
        ),
    ] = None,
    chosen_key: update_key.Chosen = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:  # fmt: skip
    """Make one image for the whole flash of a board; `inspect` shows what is in one.

    It is MicroPython and the firmware, ready for `esptool write-flash 0`.
    """
    if context.invoked_subcommand:
        return
    from motekit import image, update
    from motekit.boards import BoardError, flash_bytes, profile
    from motekit.commands import runtimes
    from motekit.config import ConfigError
    from motekit.firmware import FirmwareError
    from motekit.image.flasher_args import write as write_parts
    from motekit.image.web import write as write_web

    if sum(map(bool, (output, web, flasher_args))) > 1:
        raise typer.BadParameter("one of --output, --web and --flasher-args")
    if publisher and not web:
        raise typer.BadParameter("belongs to --web", param_hint="--publisher")

    network = setup_network.network(mac)
    secret = setup_network.password(protect, portal_password)
    document = _document(config) if config else None
    try:
        one = profile(board)
        size = flash_bytes(flash_size) if flash_size else one.flash_size
        runtime = runtimes.obtain(one, firmware, source)
        # No key is made for an image that cannot be.
        image.check(one, runtime, size)
        key = update.trusted_bytes(chosen_key)
        made = image.build(
            one, runtime, flash_size=size, document=document, portal_password=secret, key=key
        )
        if web:
            trusted = update.fingerprint(key)
            file = write_web(made, web, runtimes.said, update_key=trusted, publisher=publisher)
        elif flasher_args:
            file = write_parts(made, flasher_args)
        else:
            file = output or Path("build") / f"mote-{one.key}.bin"
            _write(made, file)
    except ConfigError as error:
        echo(*(f"  {path or 'the document'} {text}" for path, text in error.faults), err=True)
        fail(f"{config} is no configuration: {len(error.faults)} faults, listed above")
    except (
        BoardError, FirmwareError, image.ImageError, update.KeyFileError, OSError, ValueError
    ) as error:  # fmt: skip
        fail(error)
    if as_json:
        facts = _facts(made, file, secret) | {"update_key": update.fingerprint(key)}
        print_json(facts, indent=1)
        return
    _show(made, file, update_key.sentence(key, chosen_key))
    if secret:
        setup_network.tell(network, secret, own=bool(portal_password))


@app.command("inspect", epilog=explained("mote image inspect build/mote-esp32-devkitc.bin"))
def inspect(
    file: Annotated[
        Path, typer.Argument(help="An image: made here, as downloaded, or read from a board.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what is in an image: versions, partitions, files and their sizes."""
    from motekit.image import ImageError, contents

    try:
        data = file.read_bytes()
        found = contents.look(data)
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}")
    except ImageError as error:
        fail(f"{file}: {error}")
    if as_json:
        print_json(_described(found, file, len(data)), indent=1)
    else:
        _tables(found, file, len(data))


def _document(file: Path) -> Any:
    from motekit import documents

    try:
        return documents.read_json(file)
    except documents.DocumentError as error:
        fail(error)


def _write(made: "Image", file: Path) -> None:
    """The whole image as a file, readable by its owner alone when there are secrets in it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.touch(mode=0o600 if made.secret else 0o644)
    file.write_bytes(made.whole())


def _facts(made: "Image", file: Path, secret: str) -> dict[str, object]:
    import hashlib

    facts = {key: value for key, value in vars(made).items() if key not in ("parts", "secret")}
    parts = [
        {
            "name": part.name,
            "offset": part.offset,
            "size": len(part.data),
            "sha256": hashlib.sha256(part.data).hexdigest(),
        }
        for part in made.parts
    ]
    password = {"portal_password": secret} if secret else {}
    return {"file": str(file), **facts, "parts": parts, **password}


def _show(made: "Image", file: Path, trust: str) -> None:
    echo(
        f"{file}: Mote {made.mote} on MicroPython {made.micropython} for {made.board} "
        f"({made.family}, {made.flash_size >> 20} MB flash)"
    )
    echo(trust)
    if made.secret:
        echo("It holds secrets and is readable by you alone: keep it so.")
    if file.name == "manifest.json":
        folder = shlex.quote(str(file.parent))
        echo(f"Next: python3 -m http.server -d {folder}, and open http://localhost:8000 in "
                   "Chrome; run this again with another --board to add its chip.")  # fmt: skip
    elif file.name == "flasher_args.json":
        echo("Next: name it as `firmware` in a wokwi.toml; mote sim test runs the project")
    else:
        chip = made.chip.lower()
        echo(f"Next: esptool --chip {chip} write-flash 0 {file}")


def _described(found: "Contents", file: Path, size: int) -> dict[str, object]:
    runtime = found.runtime
    return {
        "file": str(file),
        "size": size,
        "offset": runtime.offset,
        "chip": runtime.chip,
        "micropython": runtime.version,
        "mote": found.mote,
        "board": found.board,
        "update_key": update_key.fingerprint(found.update_key),
        "partitions": [asdict(one) for one in runtime.partitions],
        "files_at": asdict(found.region) | {"used": found.used} if found.region else None,
        "files": found.files,
        "fault": found.fault,
    }


def _tables(found: "Contents", file: Path, size: int) -> None:
    from rich.table import Table

    console = terminal.console()
    mote = f", Mote {found.mote} for {found.board}" if found.mote else ""
    console.print(
        f"{file}: {found.runtime}{mote}; {size} bytes, for offset {found.runtime.offset:#x}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    numbers = {"justify": "right", "no_wrap": True}
    table = Table("partition", "kind", box=None, pad_edge=False)
    for title in ("offset", "size"):
        table.add_column(title, **numbers)  # type: ignore[arg-type]
    for one in found.runtime.partitions:
        table.add_row(one.name, one.kind, f"{one.offset:#x}", f"{one.size}")
    console.print(table)
    if found.region is None:
        console.print("No files in it.")
        return
    if found.fault:
        console.print(f"Its files cannot be read: {found.fault}", soft_wrap=True)
        return
    table = Table("file", box=None, pad_edge=False)
    table.add_column("bytes", **numbers)  # type: ignore[arg-type]
    for path, length in found.files.items():
        table.add_row(path, f"{length}")
    console.print(table)
    console.print(
        f"{len(found.files)} files take {found.used} of {found.region.size} bytes.", highlight=False
    )
    if found.mote:
        known = update_key.fingerprint(found.update_key)
        trust = f"signed with the key SHA-256 {known}" if known else "none"
        console.print(f"Updates over the air: {trust}", highlight=False, soft_wrap=True)
