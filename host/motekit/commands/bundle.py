"""`mote bundle`: a signed file that updates boards over the air."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motekit.commands import completion, update_key
from motekit.exits import explained, fail
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.update import Bundle, Downgrade

DEFAULT_BOARD = "esp32-devkitc"
EPILOG = explained("mote bundle build/c3.bundle --board esp32-c3-devkitm")


def command(
    file: Annotated[Path, typer.Argument(help="The file to write.", dir_okay=False)],
    board: Annotated[
        str,
        typer.Option(
            help="For which board, as `mote firmware --list` names it (default: esp32-devkitc; "
            "--image needs it).",
            autocompletion=completion.boards,
        ),
    ] = "",
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
        bool,
        typer.Option(
            "--downgrade", help="Let it replace a newer version: add --replaces, --device or both."
        ),
    ] = False,
    replaces: Annotated[
        str, typer.Option(help="With --downgrade, the newer version that it may replace.")
    ] = "",
    device: Annotated[
        str, typer.Option(help="With --downgrade, the id of the only board that takes it.")
    ] = "",
    unsigned: Annotated[
        bool,
        typer.Option(
            "--unsigned", help="Leave the signature to host/sign-bundles, where the key is."
        ),
    ] = False,
    chosen_key: update_key.Chosen = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print its manifest.")] = False,
) -> None:
    """Make the signed file that `mote update --bundle` sends to boards."""
    from motekit import boards, update

    if bool(image) != bool(version):
        raise typer.BadParameter("--image and --version belong together", param_hint="--image")
    if image and not board:
        raise typer.BadParameter(
            "--image needs --board: boards take only what is for their profile",
            param_hint="--image",
        )
    if not downgrade and (replaces or device):
        raise typer.BadParameter(
            "--replaces and --device need --downgrade", param_hint="--downgrade"
        )
    if unsigned and (image or chosen_key in ("", update_key.NONE)):
        raise typer.BadParameter(
            "needs --update-key with the public key, and no --image", param_hint="--unsigned"
        )
    if chosen_key and not unsigned:
        raise typer.BadParameter("belongs to --unsigned", param_hint="--update-key")
    try:
        allowed = update.Downgrade(replaces, device) if downgrade else None
        if image:
            made = update.make_image(
                image, version, update.private_key(), board=boards.profile(board),
                counter=update.counters.steady, downgrade=allowed,
            )  # fmt: skip
        else:
            made = of_firmware(board or DEFAULT_BOARD, allowed, chosen_key if unsigned else "")
        file.parent.mkdir(parents=True, exist_ok=True)
        made.write(file)
    except (boards.BoardError, update.BundleError, update.KeyFileError) as error:
        fail(error)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")
    if as_json:
        print_json(made.manifest, indent=1)
    elif unsigned:
        echo(f"{file}: {made}, not signed")
        echo(f"Next: host/sign-bundles {file}, where the private key is")
    else:
        echo(f"{file}: {made}, signed with {update.key_file()}")
        echo(f"Next: mote update all --bundle {file}")


def of_firmware(board: str, downgrade: "Downgrade | None" = None, public: str = "") -> "Bundle":
    """Return the bundle of this Mote's own firmware for `board`. Raises typer.Exit.

    With `public`, the file of a public key, it brings that key to the board and is not signed.
    """
    import mote

    from motekit import boards, firmware, update

    try:
        key = None if public else update.private_key()
        trusted = update.public_bytes(key) if key else update.trusted_bytes(public)
        tree = firmware.build(boards.profile(board), key=trusted)
        return update.make_application(
            tree / firmware.SLOT, mote.__version__, key,
            counter=update.counters.steady, downgrade=downgrade,
        )  # fmt: skip
    except (
        boards.BoardError,
        firmware.FirmwareError,
        update.BundleError,
        update.KeyFileError,
    ) as error:
        fail(error)
    except OSError as error:
        fail(f"the bundle cannot be made: {error.filename}: {error.strerror}")
