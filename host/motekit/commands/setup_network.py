"""The setup network of one board: the password it asks for, and the code that a phone joins by."""

import re
import sys

import typer
from mote import contract, qr

from motekit.exits import fail


def network(mac: str) -> str:
    """The name of the setup network of the board with this MAC, empty for none."""
    digits = mac.replace(":", "").replace("-", "").upper()
    if digits and not re.fullmatch("[0-9A-F]{12}", digits):
        fail(f"{mac!r} is no MAC: twelve hex digits, as `esptool read-mac` prints them")
    return contract.AP_PREFIX + digits if digits else ""


def password(protect: bool, own: str) -> str:
    """The password that the network gets: one's own, a new one, or none."""
    from motekit.firmware import factory

    if own and not 8 <= len(own.encode()) <= 63:
        fail("the password of the setup network needs 8 to 63 bytes (WPA2)")
    return own or (factory.new_password() if protect else "")


def tell(name: str, secret: str, own: bool) -> None:
    """Say a password that was made here once, and show the code by which a phone joins."""
    asks = "for your password" if own else f"for the password {secret}"
    typer.echo(f"The setup network asks {asks}")
    if name:
        import segno

        typer.echo(f"Scan this with a phone to join {name}:")
        segno.make(qr.wifi(name, secret), error="m").terminal(sys.stdout, compact=True)
    else:
        typer.echo("With --mac, the code that a phone joins by is printed as well.")
