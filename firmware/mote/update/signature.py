"""ECDSA on the curve P-256 with SHA-256: is this signature of these bytes by this key?

FIPS 186-5, 6.4.2. No image of MicroPython has it. Both multiplications run in one pass (Shamir's
trick) in Jacobian coordinates, so that there is no division on the way. Nothing here is a secret.
"""

import asyncio
import hashlib

from mote.commands import Refused

# SP 800-186, 3.2.1.3: the prime, the order, the base point; a is -3.
_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_INFINITY = (1, 1, 0)
# The board goes on with its other work after so many of the 256 steps.
_STEPS = 8


_KEY = __file__.rsplit("/", 2)[0] + "/update.key"


async def check(text, signed):
    """See that `signed`, in hex, is the signature of `text` by the key of this board.

    Raises Refused.
    """
    try:
        if await verify(_key(), text.encode(), bytes.fromhex(signed)):
            return
    except (ValueError, TypeError, AttributeError):
        raise Refused("the bundle's manifest or signature is damaged") from None
    raise Refused("the signature is not by the key that this board was flashed with")


def _key():
    try:
        with open(_KEY) as file:
            return bytes.fromhex(file.read().strip())
    except OSError:
        raise Refused(
            "the board was flashed without a key for updates: flash it once more over USB"
        ) from None


async def verify(key, message, signature):
    """True for a good signature. `key` is x and y, `signature` r and s: 32 bytes each, big-endian.

    Whatever else comes instead of the 64 bytes is no good signature.
    """
    if len(key) != 64 or len(signature) != 64:
        return False
    x, y = _numbers(key)
    r, s = _numbers(signature)
    if not (0 < r < _N and 0 < s < _N and _on_curve(x, y)):
        return False
    inverse = pow(s, _N - 2, _N)
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    sum_x, _, sum_z = await _sum_of_products(digest * inverse % _N, r * inverse % _N, (x, y))
    if not sum_z:
        return False
    # The affine x is sum_x / sum_z**2, and r is what is left of it modulo the order.
    square = sum_z * sum_z % _P
    return sum_x == r * square % _P or (r + _N < _P and sum_x == (r + _N) * square % _P)


def _numbers(data):
    return int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")


def _on_curve(x, y):
    return x < _P and y < _P and (y * y - (x * x - 3) * x - _B) % _P == 0


async def _sum_of_products(u, v, key):
    """u times the base point plus v times `key`, in Jacobian coordinates."""
    both = _affine(_add(_G + (1,), key))
    point = _INFINITY
    for bit in range(255, -1, -1):
        point = _double(point)
        of_u, of_v = u >> bit & 1, v >> bit & 1
        if of_u and of_v:
            point = _add(point, both) if both else point
        elif of_u:
            point = _add(point, _G)
        elif of_v:
            point = _add(point, key)
        if bit % _STEPS == 0:
            await asyncio.sleep_ms(0)
    return point


def _double(point):
    """Explicit-Formulas Database, shortw/jacobian-3, dbl-2001-b."""
    x, y, z = point
    delta = z * z % _P
    gamma = y * y % _P
    beta = x * gamma % _P
    alpha = 3 * (x - delta) * (x + delta) % _P
    doubled = (alpha * alpha - 8 * beta) % _P
    return (
        doubled,
        (alpha * (4 * beta - doubled) - 8 * gamma * gamma) % _P,
        2 * y * z % _P,
    )


def _add(point, affine):
    """A Jacobian point and an affine one."""
    x, y, z = point
    if not z:
        return affine + (1,)
    square = z * z % _P
    h = (affine[0] * square - x) % _P
    r = (affine[1] * square * z - y) % _P
    if not h:
        return _INFINITY if r else _double(point)
    h2 = h * h % _P
    h3 = h * h2 % _P
    v = x * h2 % _P
    added = (r * r - h3 - 2 * v) % _P
    return added, (r * (v - added) - y * h3) % _P, z * h % _P


def _affine(point):
    """None for the point at infinity."""
    x, y, z = point
    if not z:
        return None
    inverse = pow(z, _P - 2, _P)
    square = inverse * inverse % _P
    return x * square % _P, y * square * inverse % _P
