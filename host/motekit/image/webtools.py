"""ESP Web Tools, with which the page flashes boards: fetched once, as its lock file pins it."""

import base64
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

from motekit import http_client, places
from motekit.image.errors import ImageError

PAGE = places.PROVISIONING / "web"
NAME = "esp-web-tools"
# Where npm looks, unless it is told otherwise.
REGISTRY = "https://registry.npmjs.org"
# Seconds without a byte after which a connection counts as lost.
PATIENCE = 15.0
# What of the package belongs beside the page, and where it is there.
_WEB, _LICENCE = "package/dist/web/", "package/LICENSE"


def files(say: Callable[[str], None] = lambda text: None) -> dict[str, bytes]:
    """The files that belong into a folder `esp-web-tools` beside the page, by name.

    `say` gets a line when something has to be fetched. Raises ImageError, OSError.
    """
    found = {}
    with tarfile.open(fileobj=io.BytesIO(_archive(say))) as archive:
        for member in archive:
            inside = archive.extractfile(member) if member.isfile() else None
            name = Path(member.name).name
            if inside and member.name in (_WEB + name, _LICENCE):
                found[name] = inside.read()
    return found


def _archive(say: Callable[[str], None]) -> bytes:
    version, integrity = _pinned()
    file = f"{NAME}-{version}.tgz"
    kept = places.downloads() / file
    if kept.is_file():
        data = kept.read_bytes()
        if _integrity(data) == integrity:
            return data
        say(f"{kept} is damaged. It is fetched anew.")
    url = f"{os.environ.get('NPM_CONFIG_REGISTRY', REGISTRY).rstrip('/')}/{NAME}/-/{file}"
    by_hand = f"Download it by other means and put it at {kept}"
    say(f"Fetching {url}")
    data = _download(url, by_hand)
    if _integrity(data) != integrity:
        raise ImageError(
            f"what came from {url} is not what is pinned in {PAGE / 'package-lock.json'}. "
            f"Something on the way changed it (a proxy, a login page of the WiFi). {by_hand}"
        )
    part = kept.with_suffix(".part")
    part.write_bytes(data)
    part.replace(kept)
    return data


def _download(url: str, by_hand: str) -> bytes:
    import httpx2

    try:
        with http_client.client(follow_redirects=True, timeout=PATIENCE) as client:
            answer = client.get(url)
    except httpx2.TransportError as error:
        reason = str(error) or type(error).__name__
        raise ImageError(
            f"{url} cannot be reached ({reason}): is this machine online? {by_hand}"
        ) from error
    if answer.status_code != 200:
        raise ImageError(
            f"{url} is not to be had: the server answers {answer.status_code} "
            f"{answer.reason_phrase}. {by_hand}"
        )
    return bytes(answer.content)


def _pinned() -> tuple[str, str]:
    """Version and integrity (Subresource Integrity, SHA-512), as npm writes them."""
    lock = json.loads((PAGE / "package-lock.json").read_text(encoding="utf-8"))
    entry = lock["packages"][f"node_modules/{NAME}"]
    return entry["version"], entry["integrity"]


def _integrity(data: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
