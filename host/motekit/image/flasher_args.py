"""An image as its parts and a `flasher_args.json`, which says where in the flash they belong.

The form is ESP-IDF's (idf.py build); Wokwi and the ESP-IDF tools load it whole.
"""

import json
from pathlib import Path

from motekit.image.build import Image

NAME = "flasher_args.json"


def write(image: Image, folder: Path) -> Path:
    """The parts of `image` and their list into `folder`; the path of the list. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for part in image.parts:
        file = folder / f"{part.name}.bin"
        file.unlink(missing_ok=True)
        file.touch(mode=0o600 if image.secret else 0o644)
        file.write_bytes(part.data)
        files[hex(part.offset)] = file.name
    document = {
        "flash_settings": {"flash_size": f"{image.flash_size >> 20}MB"},
        "flash_files": files,
        "extra_esptool_args": {"chip": image.chip.lower()},
    }
    listed = folder / NAME
    listed.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return listed
