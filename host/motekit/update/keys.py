"""The key pair that updates are signed with: made once, kept by the user.

Boards get the public half when they are flashed. Who loses the private half can no longer update
them over the air; who steals it can.
"""

import contextlib
import hashlib
import io
import os
import tempfile
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from motekit import places, private_files, sealed, terminal

NAME = "update-key.pem"
# In place of a file: boards that take no updates over the air.
NONE = "none"
KEEP_A_COPY = (
    "Without it no board takes an update over the air again: keep a copy elsewhere "
    "(mote key export FILE)"
)
_EXPORTED = b"mote update key 1\n"
_EXPORT_MAX = 4096


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
            terminal.echo(f"Made the key that signs updates, {file}. {KEEP_A_COPY}", err=True)
        pem = file.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror}") from error
    try:
        return check(pem)
    except KeyFileError as error:
        raise KeyFileError(
            f"{file} cannot be used, as {error}: put back the one that your boards were flashed "
            "with (`mote key import` from a copy), or move it away and flash them anew"
        ) from error


def export(target: Path, passphrase: str) -> bytes:
    """Write the user's key to `target`, sealed; return its public half. Raises KeyFileError."""
    key = private_key()
    content = io.BytesIO()
    with sealed.Sealing(content, passphrase) as stream:
        stream.write(_EXPORTED + key_file().read_bytes())
    try:
        private_files.write(target, content.getvalue())
    except OSError as error:
        raise KeyFileError(f"{target} cannot be written: {error.strerror}") from error
    note_copy()
    return public_bytes(key)


def check_export(source: Path) -> None:
    """Raise KeyFileError for a file that is not sealed, before anybody is asked to open it."""
    try:
        with source.open("rb") as stream:
            is_sealed = sealed.is_sealed(stream)
    except OSError as error:
        raise KeyFileError(f"{source}: {error.strerror}") from error
    if not is_sealed:
        raise KeyFileError(f"{source} is no key that `mote key export` has written")


def import_(source: Path, passphrase: str) -> bytes:
    """Make the sealed key in `source` the user's, who has none; return its public half.

    Raises KeyFileError.
    """
    check_export(source)
    file = key_file()
    try:
        with source.open("rb") as stream:
            content = sealed.Opening(stream, passphrase).read(_EXPORT_MAX + 1)
        if not content.startswith(_EXPORTED) or len(content) > _EXPORT_MAX:
            raise KeyFileError(f"{source} is sealed, but has no key for updates in it")
        pem = content.removeprefix(_EXPORTED)
        public = public_bytes(check(pem))
        if file.exists() and file.read_bytes() != pem:
            raise KeyFileError(
                f"there is another key already, {file}, which boards may trust: move it away first"
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        private_files.write(file, pem)
    except sealed.SealError as error:
        raise KeyFileError(f"{source} cannot be opened: {error}") from error
    except OSError as error:
        raise KeyFileError(f"{error.filename or source}: {error.strerror}") from error
    note_copy()
    return public


def note_copy() -> None:
    """Remember that there is a sealed copy of the key that is here now."""
    with contextlib.suppress(OSError):
        _note_file().write_text(f"{fingerprint(public_bytes(private_key()))}\n", encoding="ascii")


def has_copy() -> bool:
    """Whether a sealed copy of this key was made on this computer, or it came out of one."""
    try:
        return _note_file().read_text(encoding="ascii").strip() == fingerprint(
            public_bytes(check(key_file().read_bytes()))
        )
    except (OSError, ValueError, KeyFileError):
        return False


def _note_file() -> Path:
    return key_file().with_name("update-key.copied")


def check(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the key in `pem`. Raises KeyFileError unless it can sign updates."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError("it is no private key without a password") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError("it is not a key of the curve P-256")
    return key


def public_bytes(key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> bytes:
    """The public half as a board keeps it: x and y, 32 bytes each, big-endian."""
    public = key.public_key() if isinstance(key, ec.EllipticCurvePrivateKey) else key
    numbers = public.public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def trusted_bytes(chosen: str = "") -> bytes:
    """Return the public key that a board gets, as `public_bytes` does. Raises KeyFileError.

    `chosen` is a PEM file with a public key, `none` (the result is empty: the board takes no
    updates over the air), or empty for the public half of the user's own key.
    """
    if not chosen:
        return public_bytes(private_key())
    if chosen == NONE:
        return b""
    return public_bytes(_public_key(Path(chosen)))


def fingerprint(public: bytes) -> str:
    """Return the SHA-256 of a board's public key (DER, SubjectPublicKeyInfo) in hex.

    `openssl pkey -in update-key.pem -pubout -outform DER | sha256sum` prints the same. Empty for no
    key. Raises ValueError when the bytes are no point of P-256.
    """
    if not public:
        return ""
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + public)
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def _public_key(file: Path) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_pem_public_key(file.read_bytes())
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(
            f"{file} is no public key in PEM form. Make one with: "
            f"openssl pkey -in {NAME} -pubout -out public.pem"
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError(f"{file} is not a key of the curve P-256")
    return key


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
