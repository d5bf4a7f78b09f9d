"""`mote bundle`: a signed file that updates boards over the air."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motekit.exits import fail

if TYPE_CHECKING:
    from motekit.update import Bundle

EPILOG = (
    "Example: mote bundle build/c3.bundle --board esp32-c3-devkitm\n\n"
    "Ends with 0, 1 when it could not be made (the last line says why), 2 when the command line "
    "was not understood."
)


def command(
    file: Annotated[Path, typer.Argument(help="The file to write.", dir_okay=False)],
    board: Annotated[
        str, typer.Option(help="For which board, as `mote firmware --list` names it.")
    ] = "esp32-devkitc",
    image: Annotated[
        Path | None,
        typer.Option(
            help="Instead of the firmware: all of MicroPython, an .app-bin file.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    version: Annotated[
        str, typer.Option(help="With --image, MicroPython's version, such as 1.27.0.")
    ] = "",
    downgrade: Annotated[
        bool, typer.Option("--downgrade", help="Let it replace a newer version.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print its manifest.")] = False,
) -> None:
    """Make the bundle that `mote update --bundle` sends: the firmware, signed with your key."""
    from motekit import update

    if bool(image) != bool(version):
        raise typer.BadParameter("--image and --version belong together", param_hint="--image")
    try:
        if image:
            made = update.make_image(image, version, update.private_key(), downgrade=downgrade)
        else:
            made = of_firmware(board, downgrade)
        file.parent.mkdir(parents=True, exist_ok=True)
        made.write(file)
    except (update.BundleError, update.KeyFileError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")
    if as_json:
        typer.echo(json.dumps(made.manifest, indent=1))
    else:
        typer.echo(f"{file}: {made}, signed with {update.key_file()}")
        typer.echo(f"Next: mote update all --bundle {file}")


def of_firmware(board: str, downgrade: bool) -> "Bundle":
    """The bundle of this Mote's own firmware for `board`. Raises typer.Exit."""
    import mote

    from motekit import boards, firmware, update

    try:
        key = update.private_key()
        tree = firmware.build(boards.profile(board), key=update.public_bytes(key))
        return update.make_application(
            tree / firmware.SLOT, mote.__version__, key, downgrade=downgrade
        )
    except (
        boards.BoardError,
        firmware.FirmwareError,
        update.BundleError,
        update.KeyFileError,
    ) as error:
        fail(str(error))
