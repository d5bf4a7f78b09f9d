"""The counter of a bundle: Unix seconds when it was made, never less than that of one before.

A board that took a bundle refuses those with a smaller counter. The same bundle, made once more,
has the counter that it had: so an update that was interrupted goes on where it was.
"""

import hashlib
import json
import time
from typing import Any

from motekit import documents, places, private_files

NAME = "update-counter.json"
_SIZE_MAX = 1 << 20
_KEPT = 2000


def now(_manifest: dict[str, Any]) -> int:
    """Return the present time, whatever was made before."""
    return int(time.time())


def steady(manifest: dict[str, Any]) -> int:
    """Return the counter for `manifest`, and remember it in the user's data folder.

    A clock that was set back must not make bundles that boards refuse. Raises OSError.
    """
    file = places.data() / NAME
    last, made = _read()
    allowed = manifest.get("downgrade") or {}
    # Of each series the newest bundle: one that was replaced since is made as a new one.
    series = "/".join([manifest["kind"], manifest["board"], allowed.get("device", "")])
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    before = made.get(series)
    if before and before[0] == digest and before[1] >= _newest_beside(series, made):
        return before[1]
    counter = max(now(manifest), last)
    made.pop(series, None)
    made[series] = (digest, counter)
    kept = dict(list(made.items())[-_KEPT:])
    file.parent.mkdir(parents=True, exist_ok=True)
    private_files.write(file, json.dumps({"last": counter, "made": kept}))
    return counter


def _newest_beside(series: str, made: dict[str, tuple[str, int]]) -> int:
    """Return the highest counter that a board which takes bundles of `series` may have taken."""
    whole, _, device = series.rpartition("/")
    beside = (
        (whole + "/", series) if device else [one for one in made if one.startswith(whole + "/")]
    )
    return max(made[one][1] for one in beside if one in made)


def _read() -> tuple[int, dict[str, tuple[str, int]]]:
    try:
        document = documents.read_json(places.data() / NAME, _SIZE_MAX)
        made = {str(name): (str(of), int(at)) for name, (of, at) in document["made"].items()}
        return int(document["last"]), made
    except (documents.DocumentError, ValueError, KeyError, TypeError, AttributeError):
        return 0, {}
