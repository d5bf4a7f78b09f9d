"""A bundle: one file with a signed manifest and the stream that a board receives.

It is a zip of `manifest.json`, `signature` (hex of r and s) and `stream`. What the manifest says is
written in `firmware/mote/update/manifest.py`, what the stream is in `application.py` and `image.py`
beside it. The SHA-256 of all of it hangs on the signature.
"""

import hashlib
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from mote import contract, json_text
from mote.update import versions

from motekit.boards import Profile
from motekit.update import counters

# Gives the counter of a bundle with this manifest.
Counter = Callable[[dict[str, Any]], int]
FORMAT = 1
OLDEST_MICROPYTHON = "1.24"
APPLICATION, IMAGE = "application", "image"
_BLOCK = 4096
_NAMES = ("manifest.json", "signature", "stream")
# The largest flash has 16 MB.
_SIZES = dict(zip(_NAMES, (json_text.MAX_BYTES, 200, 16 << 20), strict=True))
# Every file has the same time: the same files give the same bytes, but for the signature.
_TIME = (1980, 1, 1, 0, 0, 0)
# ESP-IDF, "App Image Format": the first byte, and the chips' numbers at byte 12.
_IMAGE_MAGIC = 0xE9
_CHIPS = {0: "ESP32", 2: "ESP32S2", 5: "ESP32C3", 9: "ESP32S3", 13: "ESP32C6"}


class BundleError(Exception):
    """The bundle, or what shall become one, is not right; the text says what to do."""


@dataclass(frozen=True)
class Downgrade:
    """What a bundle may replace although it is older: a version, one board, or both.

    Raises BundleError when it names neither.
    """

    replaces: str = ""
    device: str = ""

    def __post_init__(self) -> None:
        if not (self.replaces or self.device):
            raise BundleError(
                "a downgrade needs the version that it replaces (--replaces) or the id of the "
                "board that it is for (--device)"
            )
        if self.device and not contract.is_device_id(self.device):
            raise BundleError(f"'{self.device}' is not the id of a board")

    def document(self) -> dict[str, str]:
        """Return what the manifest says of it."""
        entries = {"replaces": self.replaces, "device": self.device}
        return {name: value for name, value in entries.items() if value}


@dataclass(frozen=True)
class Bundle:
    """A bundle whose parts belong together; `verify` tells who signed it."""

    text: str
    signature: bytes
    stream: bytes

    @property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found

    def __str__(self) -> str:
        about = self.manifest
        return f"{about['kind']} {about['version']} for {about.get('board', about['chip'])}"

    def verify(self, public: ec.EllipticCurvePublicKey) -> None:
        """Raises BundleError when it was not signed by the private half of `public`."""
        if not self.signature:
            raise BundleError("the bundle is not signed yet: sign it with host/sign-bundles")
        try:
            r, s = (int.from_bytes(half, "big") for half in _halves(self.signature))
            der = utils.encode_dss_signature(r, s)
            public.verify(der, self.text.encode(), ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            raise BundleError("the bundle was not signed with this key") from None

    def write(self, file: Path) -> None:
        """Raises OSError."""
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            contents = (self.text.encode(), self.signature.hex().encode(), self.stream)
            for name, content in zip(_NAMES, contents, strict=True):
                archive.writestr(zipfile.ZipInfo(name, _TIME), content, zipfile.ZIP_DEFLATED)


def make_application(
    tree: Path, version: str, key: ec.EllipticCurvePrivateKey | None, *,
    micropython: str = OLDEST_MICROPYTHON, counter: Counter = counters.now,
    downgrade: Downgrade | None = None,
) -> Bundle:  # fmt: skip
    """Return the bundle of one slot of a tree that `firmware.build` made, its public key included.

    `counter` gives the counter of a manifest: a board that took one refuses older bundles.
    `downgrade` lets the bundle replace a newer version. Without `key` it is unsigned, for
    `host/sign-bundles`. Raises BundleError.
    """
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    try:
        board = json.loads((tree / "mote" / "board.json").read_text(encoding="utf-8"))
    except OSError:
        raise BundleError(f"{tree} has no mote/board.json: it is no application") from None
    listed = []
    for path in files:
        name, data = path.relative_to(tree).as_posix(), path.read_bytes()
        if not name.isascii() or " " in name or not data:
            raise BundleError(f"{name}: a board takes no empty file and no such name")
        listed.append(f"{len(data)} {hashlib.sha256(data).hexdigest()} {name}\n")
    names = "".join(listed).encode("ascii")
    folders = {parent for path in files for parent in path.parents if parent.is_relative_to(tree)}
    blocks = sum(-(-path.stat().st_size // _BLOCK) for path in files) + 2 * len(folders)
    manifest = {
        "kind": APPLICATION,
        "version": version,
        "chip": board["chip"],
        "board": board["key"],
        "micropython": micropython,
        # The list and the manifest come on top, and the two notes of a switch.
        "space": (blocks + -(-len(names) // _BLOCK) + 4) * _BLOCK,
    }
    stream = names + b"".join(path.read_bytes() for path in files)
    return _signed(manifest, names, stream, key, counter, downgrade)


def make_image(
    image: Path, version: str, key: ec.EllipticCurvePrivateKey, *, board: Profile,
    counter: Counter = counters.now, downgrade: Downgrade | None = None,
) -> Bundle:  # fmt: skip
    """Return the bundle of a MicroPython image (`.app-bin`), for boards with two slots for it.

    `version` is MicroPython's; `counter` and `downgrade` are as for `make_application`. Raises
    BundleError.
    """
    try:
        data = image.read_bytes()
    except OSError as error:
        raise BundleError(f"{image}: {error.strerror}") from error
    if len(data) < 24 or data[0] != _IMAGE_MAGIC:
        raise BundleError(f"{image} is no application image of an ESP32: take the .app-bin file")
    (number,) = struct.unpack_from("<H", data, 12)
    if number not in _CHIPS:
        raise BundleError(f"{image} is for a chip that Mote does not know (number {number})")
    if _CHIPS[number] != board.chip:
        raise BundleError(
            f"{image} is for the chip {_CHIPS[number]}, the board {board.key} has {board.chip}"
        )
    manifest = {"kind": IMAGE, "version": version, "chip": board.chip, "board": board.key}
    return _signed(manifest, data, data, key, counter, downgrade)


def read(file: Path) -> Bundle:
    """A bundle whose parts are whole and belong together. Raises BundleError.

    Who signed it is for `verify`, and for the board.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            # A small file may unpack to gigabytes.
            if any(archive.getinfo(name).file_size > most for name, most in _SIZES.items()):
                raise BundleError(f"{file} is larger than any bundle: it is none")
            text, signature, stream = (archive.read(name) for name in _NAMES)
        json_text.parse(text)
        bundle = Bundle(text.decode(), bytes.fromhex(signature.decode("ascii")), stream)
        fault = _fault(bundle)
    except OSError as error:
        raise BundleError(f"{file}: {error.strerror}") from error
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError):
        fault = "is no bundle, or a damaged one"
    if fault:
        raise BundleError(f"{file} {fault}")
    return bundle


def _signed(
    manifest: dict[str, Any], first: bytes, stream: bytes, key: ec.EllipticCurvePrivateKey | None,
    counter: Counter, downgrade: Downgrade | None,
) -> Bundle:  # fmt: skip
    try:
        for name in {"version", "micropython"} & manifest.keys():
            versions.key(manifest[name])
    except ValueError as error:
        raise BundleError(f"{error} is no version such as 1.2.3") from None
    manifest |= {
        "mote": FORMAT,
        "size": len(stream),
        "first": {"size": len(first), "sha256": hashlib.sha256(first).hexdigest()},
    }
    if downgrade:
        manifest["downgrade"] = downgrade.document()
    manifest["counter"] = counter(manifest)
    text = json.dumps(
        manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    if key is None:
        return Bundle(text, b"", stream)
    r, s = utils.decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return Bundle(text, r.to_bytes(32, "big") + s.to_bytes(32, "big"), stream)


def _fault(bundle: Bundle) -> str:
    """What is wrong with a bundle that was read, or an empty text."""
    about, stream = bundle.manifest, bundle.stream
    if about["mote"] != FORMAT:
        return f"is in format {about['mote']}: it needs a newer Mote"
    first = stream[: about["first"]["size"]]
    if len(stream) != about["size"] or not _is(first, about["first"]["sha256"]):
        return "is damaged"
    place = len(first)
    for line in first.decode("ascii").splitlines() if about["kind"] == APPLICATION else ():
        size, digest, name = line.split()
        if not _is(stream[place : place + int(size)], digest):
            return f"is damaged: {name}"
        place += int(size)
    return "" if place == len(stream) else "is damaged"


def _is(data: bytes, digest: str) -> bool:
    return hashlib.sha256(data).hexdigest() == digest


def _halves(signature: bytes) -> tuple[bytes, bytes]:
    return signature[:32], signature[32:]
