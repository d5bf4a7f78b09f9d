"""The option `--update-key`, and how commands say whose updates a board accepts."""

from typing import Annotated

import typer

NONE = "none"
OPTION = typer.Option(
    "--update-key",
    help="A PEM file with the public key whose updates over the air the board accepts, or `none`. "
    "Default: your own key, made if there is none.",
    show_default=False,
)
Chosen = Annotated[str, OPTION]


def fingerprint(public: bytes) -> str:
    """Return the fingerprint of a key that came out of a file: empty for none, or for no key."""
    from motekit import update

    try:
        return update.fingerprint(public)
    except ValueError:
        return ""


def sentence(public: bytes, chosen: str) -> str:
    """Say whose updates a board with the key `public` accepts; `chosen` is the option's value."""
    from motekit import update

    if not public:
        return "It accepts no updates over the air: update it over USB"
    told = f"It accepts updates over the air signed with the key SHA-256 {fingerprint(public)}"
    return told if chosen else f"{told} ({update.key_file()}): keep a copy of that file"
