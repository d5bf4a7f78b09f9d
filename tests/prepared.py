"""What tests need and cannot make in passing: programs to compile, packages to fetch.

`make engines` (tests/engines.py) makes them before any test runs, without a limit of time. A test
only uses what is there. It is kept for every checkout of a user, by version and build options, in
the folder `mote/engines` of the user's cache, or in the one that MOTE_ENGINES names.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from motekit import places
from one_at_a_time import alone

FOLDER = Path(os.environ.get("MOTE_ENGINES") or places.downloads() / "engines")
# Told each step as it begins.
Tell = Callable[[str], None]


class NotPreparedError(RuntimeError):
    """Something that `make engines` makes is not there."""


@dataclass(frozen=True)
class Engine:
    """A program, or a folder of packages, of one version.

    `make(scratch, tell)` makes it in an empty folder and returns the file or folder that is kept.
    `options` is whatever else it depends on: with other options it is another one. `lacking()` says
    why this machine cannot make it, empty when it can; `needed()` whether tests use it here.
    `group` is `test`, or `soak` for what only `make soak` uses.
    """

    name: str
    version: str
    make: Callable[[Path, Tell], Path] = field(compare=False)
    options: str = ""
    group: str = "test"
    lacking: Callable[[], str] = field(default=str, compare=False)
    needed: Callable[[], bool] = field(default=lambda: True, compare=False)

    @property
    def place(self) -> Path:
        """Where it is kept."""
        digest = hashlib.sha256(f"{self.version} {self.options}".encode()).hexdigest()[:12]
        version = re.sub(r"[^\w.-]", "-", self.version)
        return FOLDER / f"{self.name}-{version}-{digest}"

    @property
    def ready(self) -> bool:
        return self.place.exists()

    def path(self) -> Path:
        """Return the file or folder. Raises NotPreparedError when it has not been made yet."""
        if not self.ready:
            only = "" if self.group == "test" else f" ONLY={self.group}"
            raise NotPreparedError(
                f"{self.name} {self.version} is not in {FOLDER}: run `make engines{only}` first"
            )
        return self.place

    def prepare(self, tell: Tell) -> None:
        """Make it unless it is there; two processes that want it at once make it once."""
        with alone(self.place.with_name(f"{self.place.name}.lock")):
            if self.ready:
                return
            scratch = self.place.with_name(f"{self.place.name}.making")
            # Interrupted runs leave files that only their owner may delete, as Go's modules are.
            if scratch.exists():
                _writable(scratch)
                shutil.rmtree(scratch)
            scratch.mkdir()
            # Renamed when whole: an interrupted run leaves nothing that looks finished.
            self.make(scratch, tell).replace(self.place)
            _writable(scratch)
            shutil.rmtree(scratch)


def _writable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
