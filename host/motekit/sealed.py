"""A stream sealed with a passphrase: nobody reads it, changes it or cuts it off unnoticed.

Scrypt (RFC 7914) makes the key. Pieces of 1 MB are encrypted with AES-256-GCM one by one, numbered
and the last one marked (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015).
"""

import io
import secrets
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

MAGIC = b"mote sealed 1\n"
_SALT_BYTES = 16
_PIECE = 2**20
_TAG = 16
# 128 MB and a third of a second for each guess.
_COST = 2**17


class SealError(Exception):
    """It cannot be opened; the text says why."""


class Sealing(io.RawIOBase):
    """Writes to `file`, which it does not close, what is written to it, sealed."""

    def __init__(self, file: IO[bytes], passphrase: str) -> None:
        salt = secrets.token_bytes(_SALT_BYTES)
        file.write(MAGIC + salt)
        self._file = file
        self._cipher = AESGCM(_key(passphrase, salt))
        self._rest = bytearray()
        self._number = 0

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:  # type: ignore[no-untyped-def]
        self._rest += data
        # One piece stays back: only the end shows which is the last.
        while len(self._rest) > _PIECE:
            self._put(bytes(self._rest[:_PIECE]), last=False)
            del self._rest[:_PIECE]
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._put(bytes(self._rest), last=True)
        super().close()

    def _put(self, piece: bytes, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last), piece, None))
        self._number += 1


class Opening(io.RawIOBase):
    """Reads what was sealed into `file`, from its beginning. Raises SealError while it reads."""

    def __init__(self, file: IO[bytes], passphrase: str) -> None:
        head = file.read(len(MAGIC) + _SALT_BYTES)
        self._file = file
        self._cipher = AESGCM(_key(passphrase, head[len(MAGIC) :]))
        self._number = 0
        self._ahead = file.read(_PIECE + _TAG)
        if not self._ahead:
            raise SealError("it is cut off")
        self._clear = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        while not self._clear and self._ahead:
            piece, self._ahead = self._ahead, self._file.read(_PIECE + _TAG)
            try:
                nonce = _nonce(self._number, last=not self._ahead)
                self._clear = self._cipher.decrypt(nonce, piece, None)
            except InvalidTag as error:
                raise SealError(
                    "it was sealed with another passphrase, or is damaged"
                    if self._number == 0
                    else "it is damaged or cut off"
                ) from error
            self._number += 1
        count = min(len(buffer), len(self._clear))
        buffer[:count] = self._clear[:count]
        self._clear = self._clear[count:]
        return count


def is_sealed(file: IO[bytes]) -> bool:
    """Whether a file was sealed; it is read from its beginning afterwards."""
    head = file.read(len(MAGIC))
    file.seek(0)
    return head == MAGIC


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_COST, r=8, p=1).derive(passphrase.encode())


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
