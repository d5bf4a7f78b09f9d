"""Decide which images of the stack are the published ones, and which are made here.

`make engines` asks whether the registry answers, pulls what it can, and keeps the decision for the
tests. STACK_IMAGES=published or STACK_IMAGES=local decides without asking.
"""

import json
import os
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager

from motekit import places
from motekit.stack.installation import versions
from prepared import NotPreparedError

REGISTRY = "https://registry-1.docker.io/v2/"
PROBE_S = 5.0
_DECISION = places.cache() / "stack" / "published-images.json"
# Images with programs that take long to build here. The others are made in seconds, or (Grafana)
# stand for an older version on purpose.
CANDIDATES = {
    "test": ["TELEGRAF_IMAGE", "INFLUXDB_IMAGE", "MOSQUITTO_IMAGE"],
    "soak": ["TRAEFIK_IMAGE", "LOKI_IMAGE", "PROMTAIL_IMAGE", "ALLOY_IMAGE"],
}


def tags() -> dict[str, str]:
    """Each image with its version and without its digest, which none has that is made here."""
    return {key: image.partition("@")[0] for key, image in versions().items()}


def all_published() -> bool:
    """Whether everything is to be tested with the published images, and no other."""
    return os.environ.get("STACK_IMAGES") == "published"


def is_published(variable: str) -> bool:
    """Whether the image of `variable` in versions.env is the published one.

    Raises NotPreparedError when `make engines` has not decided it.
    """
    if "STACK_IMAGES" in os.environ:
        return all_published()
    if not _DECISION.exists():
        raise NotPreparedError("the images of the stack are not chosen: run `make engines` first")
    return versions()[variable] in json.loads(_DECISION.read_text(encoding="utf-8"))


def choose(
    group: str, tell: Callable[[str], None], engine: Callable[[], AbstractContextManager[None]]
) -> None:
    """Pull the images of `group` where the registry answers, with the Docker Engine of `engine`."""
    if "STACK_IMAGES" in os.environ:
        tell(f"STACK_IMAGES={os.environ['STACK_IMAGES']}")
        return
    known = json.loads(_DECISION.read_text(encoding="utf-8")) if _DECISION.exists() else []
    wanted = [versions()[variable] for variable in CANDIDATES[group]]
    answers = registry_answers()
    tell(f"the registry {'answers' if answers else 'does not answer: images are made here'}")
    pulled: list[str] = []
    if answers or set(known) & set(wanted):
        try:
            with engine():
                pulled = [name for name in wanted if name in known and _is_here(name)]
                missing = [name for name in wanted if name not in pulled]
                pulled += [name for name in missing if answers and _pull(name, tell)]
        except RuntimeError as error:
            tell(f"no Docker Engine, so images are made here: {error}")
    others = [name for name in known if name not in wanted]
    _DECISION.parent.mkdir(parents=True, exist_ok=True)
    _DECISION.write_text(json.dumps(sorted({*others, *pulled})) + "\n", encoding="utf-8")


def registry_answers(url: str = REGISTRY, seconds: float = PROBE_S) -> bool:
    """Whether a registry of images answers within `seconds`, whatever stands in the way."""
    found = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(url, timeout=seconds).close()
            found.set()
        except urllib.error.HTTPError as error:
            # Without a login it asks for one: that is an answer.
            if error.code == 401:
                found.set()
        except (OSError, ValueError):
            pass
        finally:
            ended.set()

    ended = threading.Event()
    # Looking up a name knows no limit of time.
    threading.Thread(target=ask, daemon=True).start()
    ended.wait(seconds)
    return found.is_set()


def _is_here(name: str) -> bool:
    asked = ["docker", "image", "inspect", name]
    return subprocess.run(asked, capture_output=True).returncode == 0


def _pull(name: str, tell: Callable[[str], None]) -> bool:
    tell(f"pulling {name}")
    done = subprocess.run(["docker", "pull", "--quiet", name], capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        tell(f"{name} cannot be pulled and is made here: {said}")
    return not done.returncode
