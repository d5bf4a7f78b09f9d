"""Provisions one board: login, configuration, restart. After a break the same call goes on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from motekit.provision import device, settings
from motekit.provision.device import Device, DeviceError
from motekit.provision.logins import Logins


@dataclass(frozen=True)
class Provisioned:
    """A board that is done. `setup_password` is for its label; its login is in nobody's hands."""

    port: str
    mac: str
    id: str
    mote: str
    digest: str
    account: bool
    setup_password: str = field(repr=False)


def provision(
    board: Device,
    document: dict[str, Any],
    accounts: Logins | None,
    setup_password: str,
    says: Callable[[str], None],
    wait_s: float = device.BOOT_S,
    *,
    known: bool = False,
) -> Provisioned:
    """Put `document`, which `settings.checked` has passed, onto `board`.

    With `accounts` a board without a login in `document` gets one of its own there. It is
    registered once the board holds it: a board that has the id already may have another one, as
    may one that is `known` to be the board of this id, though it has lost its settings.
    Raises DeviceError, RemoteError, FlashError, SettingsError, AccountError, OSError.
    """
    name = document["id"]
    says("looking at the board")
    seen = board.look()
    password = ""
    if document["mqtt"]["user"]:
        accounts = None
    if accounts:
        if name in accounts.names() and seen.id != name and not known:
            raise DeviceError(
                "id-taken",
                f"{name} is another device's login already. Choose another id, or, if that "
                f"device is gone: {accounts.remove_command} {name}",
            )
        password = accounts.new_password(name)
        mqtt = {**document["mqtt"], "user": name, "password": password}
        document = settings.checked({**document, "mqtt": mqtt})
    says("writing its configuration")
    saved = board.save(document, setup_password)
    if accounts:
        accounts.put(name, password)
    says("starting")
    version = board.restart(wait_s) or seen.version
    return Provisioned(
        board.path, seen.mac, name, version, saved.digest, bool(accounts), saved.setup_password
    )
