"""Logins for devices: which names they may have, and their passwords."""

import secrets

from mote import contract

# Who reads and commands all devices.
OWNER = "owner"
_TYPED = "abcdefghjkmnpqrstuvwxyz23456789"
_TYPED_LENGTH = 20


class AccountError(Exception):
    """An account cannot be made or removed; the text says why."""


def check(device: str, reserved: tuple[str, ...] = (OWNER,)) -> None:
    """Raises AccountError for a name that no device may have; `reserved` are those of others."""
    if not contract.is_device_id(device) or device in reserved:
        raise AccountError(
            f"{device!r} is no device id: 1 to {contract.ID_MAX} of A-Z a-z 0-9 _ - "
            f"(and not {', '.join(reserved)})"
        )


def taken(device: str, remove_command: str) -> AccountError:
    """The device has an account, which must not be lost by accident."""
    return AccountError(
        f"there is already an account for {device}; to give it a new password, "
        f"remove it first: {remove_command} {device}"
    )


def unknown(device: str, list_command: str) -> AccountError:
    """There is nothing to remove."""
    return AccountError(f"there is no account for {device}; {list_command} shows them")


def new_typed_password() -> str:
    """A password that a person types on a phone: 20 characters, 99 random bits.

    Lower case and digits only, without those that look alike. Nobody guesses it, also not with the
    hashes of the accounts at hand.
    """
    return "".join(secrets.choice(_TYPED) for _ in range(_TYPED_LENGTH))


def in_groups(password: str) -> str:
    """The password in groups of four, for reading; the blanks are not part of it."""
    return " ".join(password[at : at + 4] for at in range(0, len(password), 4))


def new_password() -> str:
    """128 random bits, of characters that need no quoting anywhere.

    None begins with `-`: `influx setup --password` takes it for an option, as others do.
    """
    while (made := secrets.token_urlsafe(16)).startswith("-"):
        pass
    return made
