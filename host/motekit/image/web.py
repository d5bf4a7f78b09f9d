"""An installation page's part of Mote: the manifest of ESP Web Tools and the files it names.

https://esphome.github.io/esp-web-tools/ describes the manifest. The tools write parts and nothing
else, so that the files are a part of their own, and do not look how large the flash of a board is.
"""

import json
from pathlib import Path
from typing import Any

from motekit.image.build import Image
from motekit.image.errors import ImageError

MANIFEST = "manifest.json"


def write(image: Image, folder: Path) -> Path:
    """Add `image` to `folder`, beside the images of the same version for other chips.

    Gives the manifest's path. Raises ImageError for an image with secrets, OSError.
    """
    if image.secret:
        raise ImageError(
            "an image for a web page must not hold a configuration or a password: everyone could "
            "read them. Leave out --config, --protect and --portal-password"
        )
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for part in image.parts:
        name = f"{image.board}-{part.name}.bin"
        (folder / name).write_bytes(part.data)
        parts.append({"path": name, "offset": part.offset})
    manifest = {
        "name": "Mote",
        "version": image.mote,
        # The part with the files replaces the settings of a board in any case.
        "new_install_prompt_erase": False,
        # In seconds; the firmware does not speak Improv, so that nobody waits for it.
        "new_install_improv_wait_time": 0,
    }
    build = {"chipFamily": image.family, "parts": parts}
    others = [one for one in _builds(folder, manifest) if one["chipFamily"] != image.family]
    manifest["builds"] = sorted([*others, build], key=lambda one: str(one["chipFamily"]))
    path = folder / MANIFEST
    path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return path


def _builds(folder: Path, manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The builds of a manifest that is there already, if it is of the same version."""
    try:
        there = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return []
    builds: list[dict[str, Any]] = there.get("builds", [])
    return builds if there.get("version") == manifest["version"] else []
