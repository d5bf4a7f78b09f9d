"""Fetches the official image of a chip, once: pinned, resumable, checked at every use."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from motekit import http_client, places
from motekit.boards import MicroPython as Pin
from motekit.image import micropython
from motekit.image.errors import ImageError

if TYPE_CHECKING:
    import httpx2

SOURCE = "https://micropython.org/resources/firmware"
# Seconds without a byte after which a connection counts as lost.
PATIENCE = 15.0
_BY_HAND = "Download it by other means and give it with `--firmware FILE`"
# Called with the bytes that are there and those there will be, None where the server does not say.
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Official:
    """An image in the cache. `sha256` is what it has; `pinned` tells whether that was expected."""

    path: Path
    sha256: str
    pinned: bool


def fetch(
    pin: Pin,
    *,
    source: str = SOURCE,
    folder: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
    progress: Progress = lambda done, total: None,
) -> Official:
    """The image of `pin`, from `folder` (the user's cache) or from below the address `source`.

    `say` gets a line where something takes time or was not as it should be.
    Raises ImageError, OSError when the folder cannot be written to.
    """
    folder = folder or places.downloads()
    url = f"{source.rstrip('/')}/{pin.file}"
    target = folder / pin.file
    if target.is_file():
        fault = _fault(target, pin)
        if not fault:
            return _official(target, pin)
        say(f"{target} {fault}. It is fetched anew.")
        target.unlink()
    part = folder / f"{pin.file}.part"
    begun = part.is_file()
    say(f"{'Going on with' if begun else 'Fetching'} {url}")
    fault = _download(url, part, pin, progress)
    if fault and begun:
        say(f"{part} {fault}. It is fetched from its beginning.")
        fault = _download(url, part, pin, progress)
    if fault:
        raise ImageError(
            f"what came from {url} {fault}. Something on the way changed it (a proxy, a login "
            f"page of the WiFi), or it was replaced. {_BY_HAND}"
        )
    part.replace(target)
    return _official(target, pin)


def _download(url: str, part: Path, pin: Pin, progress: Progress) -> str:
    """Complete `part`; what is wrong with it in the end, which then is deleted."""
    import httpx2

    with http_client.client(follow_redirects=True, timeout=PATIENCE) as client:
        while True:
            had = _size(part)
            try:
                _append(client, url, part, progress)
                break
            except httpx2.TransportError as error:
                reason = str(error) or type(error).__name__
                # What was cut off goes on at once, as long as each attempt brings something.
                if _size(part) > had:
                    continue
                if not had:
                    raise ImageError(
                        f"{url} cannot be reached ({reason}): is this machine online? {_BY_HAND}"
                    ) from error
                raise ImageError(
                    f"the download of {pin.file} broke off after {had} bytes ({reason}). "
                    "Run the command again: it goes on from there"
                ) from error
    fault = _fault(part, pin)
    if fault:
        part.unlink()
    return fault


def _append(client: "httpx2.Client", url: str, part: Path, progress: Progress) -> None:
    """Ask for what is missing of `part` and write it there as it comes."""
    had = _size(part)
    # Compressed, a range would be one of other bytes.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={had}-"} if had else {})
    with client.stream("GET", url, headers=headers) as answer:
        # Nothing is missing: whether it is right is for its digest to tell.
        if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and had:
            return
        if answer.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise ImageError(
                f"{url} is not to be had: the server answers {answer.status_code} "
                f"{answer.reason_phrase}. {_BY_HAND}"
            )
        if answer.status_code == HTTPStatus.OK:
            had = 0
        length = answer.headers.get("Content-Length")
        total = had + int(length) if length else None
        with part.open("ab" if had else "wb") as out:
            for chunk in answer.iter_bytes():
                out.write(chunk)
                progress(out.tell(), total)


def _fault(file: Path, pin: Pin) -> str:
    """What is wrong with a file that should be that of `pin`; empty for nothing."""
    data = file.read_bytes()
    if pin.sha256:
        digest = hashlib.sha256(data).hexdigest()
        return "" if digest == pin.sha256 else f"has the digest {digest}, not {pin.sha256}"
    try:
        micropython.read(data)
    except ImageError:
        return "is not a whole image"
    return ""


def _official(file: Path, pin: Pin) -> Official:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Official(file, digest, pinned=pin.sha256 is not None)


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
