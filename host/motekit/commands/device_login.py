"""How a new login of a device is shown to the person who types it on a phone."""

from motekit.credentials import in_groups
from motekit.terminal import echo

LOGIN_NOTES = (
    "The password is shown this once. Enter it under Advanced in the board's setup portal, without",
    "the blanks of the groups. On a board on USB, `mote provision` enters it for you.",
)


def echo_login(user: str, password: str) -> None:
    """Print user and password; the password once more in groups, which are easier to read."""
    echo(
        f"MQTT user      {user}",
        f"MQTT password  {password}",
        f"   in groups   {in_groups(password)}",
    )
