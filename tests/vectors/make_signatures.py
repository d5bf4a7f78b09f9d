"""Makes signatures.json anew, with the library `cryptography` as the judge; run it as a program."""

import json
import random
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
SIGN = ec.ECDSA(hashes.SHA256())


def octets(number: int) -> bytes:
    return number.to_bytes(32, "big")


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    numbers = key.public_key().public_numbers()
    return octets(numbers.x) + octets(numbers.y)


def vectors() -> list[dict[str, object]]:
    chance = random.Random(256)
    found: list[dict[str, object]] = []

    def add(what: str, key: bytes, message: bytes, signature: bytes, good: bool) -> None:
        found.append(
            {"what": what, "key": key.hex(), "message": message.hex(),
             "signature": signature.hex(), "good": good}
        )  # fmt: skip

    # The base point and its opposite, which meet it in the sum, then any other.
    for number, secret in enumerate([1, N - 1, 2, *(chance.randrange(3, N) for _ in range(12))]):
        key = ec.derive_private_key(secret, ec.SECP256R1())
        message = chance.randbytes(number * 37)
        r, s = utils.decode_dss_signature(key.sign(message, SIGN))
        right = octets(r) + octets(s)
        add(f"key {number}", point(key), message, right, True)
        add(f"key {number}, the other s", point(key), message, octets(r) + octets(N - s), True)
        add(f"key {number}, another message", point(key), message + b"!", right, False)
        bit = chance.randrange(512)
        turned = (int.from_bytes(right, "big") ^ 1 << bit).to_bytes(64, "big")
        add(f"key {number}, bit {bit} of the signature", point(key), message, turned, False)
    add("r and s in each other's place", point(key), message, octets(s) + octets(r), False)
    for what, a, b in (
        ("r is 0", 0, s), ("s is 0", r, 0), ("both are 0", 0, 0), ("r is the order", N, s),
        ("s is the order", r, N), ("s is too large", r, s + N if s + N < 1 << 256 else 2**256 - 1),
    ):  # fmt: skip
        add(what, point(key), message, octets(a) + octets(b), False)
    add("too short", point(key), message, right[:-1], False)
    add("too long", point(key), message, right + b"\0", False)
    add("none", point(key), message, b"", False)
    x, y = point(key)[:32], point(key)[32:]
    add("a key beside the curve", x + octets(int.from_bytes(y, "big") ^ 1), message, right, False)
    add("a key outside the field", octets(P) + y, message, right, False)
    add("a key of zeros", bytes(64), message, right, False)
    return found


if __name__ == "__main__":
    text = json.dumps(vectors(), indent=1) + "\n"
    (Path(__file__).parent / "signatures.json").write_text(text, encoding="utf-8")
