"""The setup network of one board: the password it asks for, and the code that a phone joins by."""

import io
import re

from mote import contract, qr

from motekit import terminal
from motekit.exits import fail
from motekit.terminal import echo


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
    echo(f"The setup network asks {asks}")
    if name:
        import segno

        code = io.StringIO()
        segno.make(qr.wifi(name, secret), error="m").terminal(code, compact=True)
        if not terminal.shows(code.getvalue()):
            echo("This terminal cannot show the code: it has no UTF-8. Try LC_ALL=C.UTF-8")
            return
        echo(f"Scan this with a phone to join {name}:")
        terminal.echo_drawing(code.getvalue())
    else:
        echo("With --mac, the code that a phone joins by is printed as well.")
