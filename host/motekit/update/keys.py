"""The key pair that updates are signed with: made once, kept by the user.

Boards get the public half when they are flashed. Who loses the private half can no longer update
them over the air; who steals it can.
"""

import contextlib
import os
import tempfile
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from motekit import places

NAME = "update-key.pem"


class KeyFileError(Exception):
    """The file of the key cannot be used; the text says why and what to do."""


def key_file() -> Path:
    """Where the private half of the user's key pair is."""
    return places.data() / NAME


def private_key(file: Path | None = None) -> ec.EllipticCurvePrivateKey:
    """The user's key, made now if there is none; readable by its owner alone. Raises KeyFileError.

    `file` is another place for it than the user's data folder.
    """
    file = file or key_file()
    try:
        if not file.exists():
            _make(file)
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(
            f"{file} is no private key without a password: put back the one that your boards were "
            "flashed with, or move it away and flash them anew"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError(f"{file} is not a key of the curve P-256")
    return key


def public_bytes(key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> bytes:
    """The public half as a board keeps it: x and y, 32 bytes each, big-endian."""
    public = key.public_key() if isinstance(key, ec.EllipticCurvePrivateKey) else key
    numbers = public.public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def _make(file: Path) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    # Whole and readable by nobody else before it has its name; a link never replaces another's key.
    handle, scratch = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(pem)
        # Another process that was faster has made the key that counts.
        with contextlib.suppress(FileExistsError):
            os.link(scratch, file)
    finally:
        Path(scratch).unlink()
