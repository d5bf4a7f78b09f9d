"""What the image of `mote` has in it, from this checkout and the Python that runs the tests.

The same as docker/mote/Dockerfile puts there: a Python, the packages that it names, our own code.
"""

import hashlib
import importlib.metadata
import re
import shutil
import sys
import sysconfig
from pathlib import Path

import programs_on_disk
from motekit import places

_DOCKERFILE = places.CHECKOUT / "docker" / "mote" / "Dockerfile"
_STDLIB = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
_PACKAGES = "/mote/packages"
_NOT_NEEDED = shutil.ignore_patterns(
    "__pycache__",
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idlelib",
    "ensurepip",
    "tkinter",
)
VARIABLES = {
    "PYTHONPATH": f"/mote/firmware:/mote/host:{_PACKAGES}",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # Found at its own place, where its library is.
    "PYTHONHOME": sys.base_prefix,
}


def put(root: Path) -> None:
    """Put everything below `root`."""
    python = Path(sys.executable).resolve()
    packages = {file: Path(file.locate()) for file in _package_files()}
    compiled = [file for file in packages.values() if file.suffix == ".so"]
    for file in (python, *(_STDLIB / "lib-dynload").glob("*.so"), *compiled):
        for library in programs_on_disk.libraries(file):
            programs_on_disk.copy(library, root / str(library)[1:])
    programs_on_disk.copy(python, root / "usr/local/bin/python")
    shutil.copytree(_STDLIB, root / str(_STDLIB)[1:], ignore=_NOT_NEEDED)
    for name, file in packages.items():
        programs_on_disk.copy(file, root / _PACKAGES[1:] / name)
    for folder in ("firmware", "host"):
        shutil.copytree(places.CHECKOUT / folder, root / "mote" / folder, ignore=_NOT_NEEDED)
    programs_on_disk.copy(_DOCKERFILE.with_name("mote"), root / "usr/local/bin/mote")


def digest() -> str:
    """Changes with our own code, the packages and the Python."""
    found = hashlib.sha256(sys.version.encode() + Path(__file__).read_bytes())
    found.update(repr(sorted(map(str, _package_files()))).encode())
    for folder in ("firmware", "host", "docker/mote"):
        for path in sorted((places.CHECKOUT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(str(path).encode() + path.read_bytes())
    return found.hexdigest()


def _package_files() -> list[importlib.metadata.PackagePath]:
    """The files of the packages that the Dockerfile installs, and of those that they need."""
    text = re.search(r"requirements\.lock \\\n +(.+) \\\n", _DOCKERFILE.read_text())
    assert text, "the Dockerfile names its packages after the constraint"
    wanted, seen = text[1].split(), set()
    files = []
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        found = importlib.metadata.distribution(name)
        files += [file for file in found.files or [] if not str(file).startswith("..")]
        for line in found.requires or []:
            if ";" not in line:
                wanted.append(re.split(r"[^\w.-]", line)[0])
    return files
