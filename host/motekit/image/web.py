"""The installation page: itself, ESP Web Tools, its manifest and the files that this names.

https://esphome.github.io/esp-web-tools/ describes the manifest. The tools write parts and nothing
else, so that the files are a part of their own, and do not look how large the flash of a board is.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mote import contract

from motekit import documents
from motekit.image import webtools
from motekit.image.build import Image
from motekit.image.errors import ImageError

MANIFEST = "manifest.json"
INDEX = "index.html"
# From the first start of a board to its first answer: the files, a scan, the network of its own.
# Seconds, with room for slow chips; who answers sooner is heard sooner.
IMPROV_WAIT_S = 20


def write(
    image: Image,
    folder: Path,
    say: Callable[[str], None] = lambda text: None,
    *,
    update_key: str = "",
    publisher: str = "",
) -> Path:
    """Add `image` to `folder`, beside the images of the same version and key for other chips.

    A page that is there already stays: it may be one of your own. `say` gets a line when something
    has to be fetched. `update_key` is the fingerprint of the key whose updates the image accepts,
    empty for none; `publisher` is who holds it. Gives the manifest's path. Raises ImageError for an
    image with secrets or without a way to the tools, OSError.
    """
    if image.secret:
        raise ImageError(
            "an image for a web page must not hold a configuration or a password: everyone could "
            "read them. Leave out --config, --protect and --portal-password"
        )
    tools = webtools.files(say)
    (folder / webtools.NAME).mkdir(parents=True, exist_ok=True)
    for name, data in tools.items():
        (folder / webtools.NAME / name).write_bytes(data)
    if not (folder / INDEX).exists():
        (folder / INDEX).write_bytes((webtools.PAGE / INDEX).read_bytes())
    parts = []
    for part in image.parts:
        name = f"{image.board}-{part.name}.bin"
        (folder / name).write_bytes(part.data)
        parts.append({"path": name, "offset": part.offset})
    manifest = {
        "name": contract.PRODUCT,
        "version": image.mote,
        # The part with the files replaces the settings of a board in any case.
        "new_install_prompt_erase": False,
        "new_install_improv_wait_time": IMPROV_WAIT_S,
        # Not of ESP Web Tools: the page shows whose updates its boards accept.
        "update_key": update_key,
        "publisher": publisher,
    }
    build = {"chipFamily": image.family, "parts": parts}
    others = [one for one in _builds(folder, manifest) if one["chipFamily"] != image.family]
    manifest["builds"] = sorted([*others, build], key=lambda one: str(one["chipFamily"]))
    path = folder / MANIFEST
    path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return path


def _builds(folder: Path, manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the builds of the manifest in `folder` if they are of the same version and key."""
    try:
        there = documents.read_json(folder / MANIFEST, documents.MAX_BYTES)
    except documents.DocumentError:
        return []
    if not isinstance(there, dict):
        return []
    builds: list[dict[str, Any]] = there.get("builds", [])
    same = all(there.get(key) == manifest[key] for key in ("version", "update_key"))
    return builds if same else []
