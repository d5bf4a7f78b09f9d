"""Packs the portal's page for the board: one file a language, its fixed parts already compressed.

A board cannot compress, so the page leaves as one gzip stream (RFC 1952) whose fixed parts were
deflated (RFC 1951) here, each on its own, and whose changing parts are stored between them. For
the checksum over the whole, each part brings its CRC-32 and the power of x by which the checksum
of what was before it is multiplied (as zlib's crc32_combine does). `firmware/mote/portal/pack.py`
reads it.
"""

import json
import re
import struct
import zlib
from pathlib import Path, PurePath

from mote import failure

FOLDER = PurePath("mote/portal")
TEMPLATE = "page.html"
STYLE = "style.css"
LANGUAGES = "languages"
# A window of 1 KiB: what a board may have to unpack for a client that takes no gzip. A larger one
# makes the page 2 % smaller.
WINDOW_BITS = 10
SYNC_MARK = b"\x00\x00\xff\xff"
POLYNOMIAL = 0xEDB88320
TOKEN = re.compile(r"\{\{(#|/|=)?([\w.]*)\}\}")
PHRASE = re.compile(r"\[\[([\w.]+)\]\]")


class PageError(Exception):
    """The template or a language is not complete; the text names what is missing."""


def is_part(place: PurePath) -> bool:
    """True for a file that goes into the packed pages instead of onto the board."""
    if place.parent == FOLDER / LANGUAGES:
        return True
    return place.parent == FOLDER and place.name in (TEMPLATE, STYLE)


def pack(folder: Path) -> dict[str, bytes]:
    """Every language's page by its file name. Raises PageError."""
    template = (folder / TEMPLATE).read_text(encoding="utf-8")
    template = template.replace("{{style}}", (folder / STYLE).read_text(encoding="utf-8"))
    languages = sorted((folder / LANGUAGES).glob("*.json"))
    return {f"{one.stem}.page": _page(_minified(template), _phrases(one)) for one in languages}


def _phrases(file: Path) -> dict[str, str]:
    phrases: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    phrases["lang"] = file.stem
    if file.stem == "en":
        # The log says the same in English: that is where these sentences are written.
        for reason in failure.reasons():
            _, what, remedy = failure.explained(reason)
            phrases[f"fail.{reason}"] = what[0].upper() + what[1:]
            phrases[f"remedy.{reason}"] = remedy
    return phrases


def _minified(template: str) -> str:
    lines = (line.strip() for line in template.splitlines())
    return "".join(
        line if line.endswith((">", "{", "}", ";", ",")) else line + "\n" for line in lines
    )


def _page(template: str, phrases: dict[str, str]) -> bytes:
    missing = set()

    def phrase(match: re.Match[str]) -> str:
        if match[1] not in phrases:
            missing.add(match[1])
        return phrases.get(match[1], "")

    text = PHRASE.sub(phrase, template)
    if missing:
        raise PageError(f"{phrases['lang']}.json lacks: {', '.join(sorted(missing))}")
    packed = b""
    place = depth = 0
    for token in TOKEN.finditer(text):
        packed += _fixed(text[place : token.start()])
        place = token.end()
        mark, name = token[1], token[2]
        if mark == "=":
            word = phrases[name].encode()
            packed += _record(b"W", name) + struct.pack("<H", len(word)) + word
        elif mark == "/":
            depth -= 1
            packed += _record(b"E", "")
        else:
            depth += mark == "#"
            packed += _record(b"B" if mark == "#" else b"S", name)
    if depth:
        raise PageError(f"{TEMPLATE}: a section is opened and not closed")
    return packed + _fixed(text[place:])


def _record(kind: bytes, name: str) -> bytes:
    return kind + bytes([len(name)]) + name.encode("ascii")


def _fixed(text: str) -> bytes:
    """A part that never changes; without the mark that ends it, which a stored block brings."""
    if not text:
        return b""
    data = text.encode()
    deflater = zlib.compressobj(9, zlib.DEFLATED, -WINDOW_BITS, 9)
    packed = deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)
    assert packed.endswith(SYNC_MARK)
    packed = packed[: -len(SYNC_MARK)]
    head = struct.pack("<HHII", len(packed), len(data), zlib.crc32(data), _shift(len(data)))
    return _record(b"T", "") + head + packed


def _shift(length: int) -> int:
    """x to the power of `length` bytes, modulo the polynomial of CRC-32 (bits reflected)."""
    power = 1 << 31
    for _ in range(length * 8):
        power = power >> 1 ^ POLYNOMIAL if power & 1 else power >> 1
    return power
