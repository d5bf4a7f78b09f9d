"""A sealed stream: back as it was, and any change, cut or other passphrase is noticed."""

import io
import secrets

import pytest
from motekit import sealed
from motekit.sealed import Opening, SealError, Sealing

PIECE = 2**20 + 16
HEAD = len(sealed.MAGIC) + 16


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessing is not what is tested here."""
    monkeypatch.setattr(sealed, "_COST", 2**10)


def seal(content: bytes, passphrase: str = "right") -> bytes:
    file = io.BytesIO()
    with Sealing(file, passphrase) as stream:
        for begin in range(0, len(content), 70_001):
            stream.write(content[begin : begin + 70_001])
    return file.getvalue()


def unseal(made: bytes, passphrase: str = "right") -> bytes:
    return Opening(io.BytesIO(made), passphrase).read()


@pytest.mark.parametrize("size", [0, 1, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20])
def test_what_was_sealed_comes_back(size: int) -> None:
    content = secrets.token_bytes(size)
    made = seal(content)
    assert sealed.is_sealed(io.BytesIO(made))
    assert unseal(made) == content
    assert seal(content) != made, "another salt each time"
    assert size < 16 or content[:16] not in made


def test_every_change_is_noticed() -> None:
    made = seal(secrets.token_bytes(3 * 2**20))
    first, second = made[HEAD : HEAD + PIECE], made[HEAD + PIECE : HEAD + 2 * PIECE]
    rest = made[HEAD + 2 * PIECE :]
    flipped = bytearray(made)
    flipped[HEAD + PIECE + 5] ^= 1
    changed = {
        "a bit": bytes(flipped),
        "the end": made[:-1],
        "a whole piece at the end": made[: HEAD + 2 * PIECE],
        "all pieces": made[:HEAD],
        "the order": made[:HEAD] + second + first + rest,
        "a piece twice": made[:HEAD] + first + first + second + rest,
        "more at the end": made + bytes(20),
    }
    for what, other in changed.items():
        with pytest.raises(SealError):
            unseal(other)
            pytest.fail(f"not noticed: {what}")


def test_another_passphrase_does_not_open_it() -> None:
    with pytest.raises(SealError, match="passphrase"):
        unseal(seal(b"secret"), "wrong")


def test_what_is_not_sealed_is_known() -> None:
    assert not sealed.is_sealed(io.BytesIO(b"\x1f\x8b anything"))
