"""What is given to one board when it is flashed, and outlives its settings."""

import secrets
from pathlib import Path

from mote import json_text

from motekit import config

NAME = "factory.json"
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_password() -> str:
    """Ten characters that nobody mistakes for each other on a small label: about 50 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(10))


def content(portal_password: str) -> bytes:
    """The file with the password of a board's setup network."""
    return config.for_board({"portal_password": portal_password}).encode()


def password(content: bytes) -> str:
    """The password in such a file, empty where there is none."""
    try:
        found = json_text.parse(content)
        return str(found.get("portal_password", ""))  # type: ignore[attr-defined]
    except (ValueError, AttributeError):
        return ""


def write_factory(tree: Path, portal_password: str) -> None:
    """Put the password of the board's setup network into its tree of files."""
    file = tree / NAME
    file.write_bytes(content(portal_password))
    file.chmod(0o600)
