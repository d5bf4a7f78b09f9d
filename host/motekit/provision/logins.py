"""Where boards get their logins: the hub of this computer, or the backend on Docker."""

from typing import ClassVar, Protocol


class Logins(Protocol):
    """What provisioning needs of it. Its errors say what to do."""

    # What removes the login of a device that is gone.
    remove_command: ClassVar[str]

    def names(self) -> list[str]:
        """The devices that have a login."""

    def new_password(self, device: str) -> str:
        """A password for `device`, valid after `put`."""

    def put(self, device: str, password: str) -> None:
        """Let `device` log in with `password`, and no longer with the one before it."""
