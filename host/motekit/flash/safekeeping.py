"""A board's own files on this computer, from before they are erased until they are back on it."""

import base64
import hashlib
import json
from pathlib import Path

from motekit import documents, places, private_files
from motekit.flash.chip import SECTOR, Chip
from motekit.flash.content import Content
from motekit.image import Image

# The two blocks of LittleFS that hold its superblock and the root folder.
_HEAD = 2 * SECTOR
# All files of a board, in base64.
_KEPT_MAX = 32 << 20


class Safekeeping:
    """The files of the board `mac`: readable by this user alone, and gone once they are back."""

    def __init__(self, mac: str) -> None:
        self._file = _folder() / f"{mac}.json"

    def keep(self, own: dict[str, bytes], image: Image) -> None:
        """Store `own`, which goes onto the board in `image`. Raises OSError on a full disk."""
        files = image.parts[-1]
        document = {
            "board": image.board,
            "offset": files.offset,
            "head": hashlib.md5(files.data[:_HEAD]).hexdigest(),
            "own": {name: base64.b64encode(data).decode() for name, data in own.items()},
        }
        private_files.write(self._file, json.dumps(document))

    def left(self, chip: Chip, there: Content) -> Content | None:
        """What an interrupted run left here and the board lacks; None when there is nothing.

        A board that came to life since then has newer files of its own: they win. So does a board
        that has Mote and no files: its owner has erased it.
        """
        try:
            document = documents.read_json(self._file, _KEPT_MAX)
            own = {name: base64.b64decode(data) for name, data in document["own"].items()}
            board, offset, head = document["board"], document["offset"], document["head"]
        except (documents.DocumentError, ValueError, KeyError, TypeError):
            return None
        if (there.own or there.board) and chip.digest(offset, _HEAD) != head:
            return None
        return Content(board=board, own=own)

    def back(self) -> None:
        """They are on the board again."""
        self._file.unlink(missing_ok=True)


def _folder() -> Path:
    folder = places.data() / "flashing"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
