"""The image of `mote`, made by its own Dockerfile on one of the Python that runs the tests."""

import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import mote
import prepared
import programs_on_disk
import pydantic_core._pydantic_core
from motekit import places
from motekit.stack.installation import DOCKER

LOCK = DOCKER / "mote" / "requirements.lock"
DOCKERFILE = DOCKER / "mote" / "Dockerfile"
# What the Dockerfile copies.
_COPIED = ["firmware", "host", "docker/mote"]
_STDLIB = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
_NOT_NEEDED = shutil.ignore_patterns(
    "__pycache__",
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idlelib",
    "tkinter",
    # Debian's Python has it, the published image's has not.
    "EXTERNALLY-MANAGED",
)
_PIP = "/pip"
_WHEELS = "/wheels"
PYTHON_VARIABLES = {
    # As the published image says it, and true of this one.
    "PYTHON_VERSION": platform.python_version(),
    # Found at its own place, where its library is.
    "PYTHONHOME": sys.base_prefix,
    "PYTHONPATH": _PIP,
    # A build cannot know the index that this machine uses; it proves the hashes all the same.
    "PIP_FIND_LINKS": _WHEELS,
    "PIP_NO_INDEX": "1",
}


def put_python(root: Path) -> None:
    """Put a Python with pip below `root`, and the packages of the lock for pip to install."""
    python = Path(sys.executable).resolve()
    # A compiled package needs a library that Debian has in every image.
    compiled = [Path(pydantic_core._pydantic_core.__file__)]
    for file in (python, *(_STDLIB / "lib-dynload").glob("*.so"), *compiled):
        for library in programs_on_disk.libraries(file):
            programs_on_disk.copy(library, root / str(library)[1:])
    programs_on_disk.copy(python, root / "usr/local/bin/python")
    shutil.copytree(_STDLIB, root / str(_STDLIB)[1:], ignore=_NOT_NEEDED)
    for file in importlib.metadata.distribution("pip").files or []:
        if file.parts[0].startswith("pip") and file.suffix != ".pyc":
            programs_on_disk.copy(Path(file.locate()), root / _PIP[1:] / file)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/env").symlink_to("/bin/busybox")
    shutil.copytree(WHEELS.path(), root / _WHEELS[1:])


def python_digest() -> str:
    """Changes with the Python and the lock."""
    made_of = sys.version.encode() + Path(__file__).read_bytes() + LOCK.read_bytes()
    return hashlib.sha256(made_of).hexdigest()


def digest() -> str:
    """Changes with all that the image is made of."""
    found = hashlib.sha256(python_digest().encode())
    for folder in _COPIED:
        for path in sorted((places.CHECKOUT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(str(path).encode() + path.read_bytes())
    return found.hexdigest()


def build(name: str, python: str, label: str) -> None:
    """Build image `name` with `label` on image `python`, with no network."""
    command = ["docker", "build", "--network=none", f"--build-arg=PYTHON_IMAGE={python}"]
    command += [f"--label={label}", f"--tag={name}", f"--file={DOCKERFILE}", str(places.CHECKOUT)]
    builder = {} if _has_buildx() else {"DOCKER_BUILDKIT": "0"}
    done = subprocess.run(command, env=os.environ | builder, capture_output=True, text=True)
    if done.returncode:
        said = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
        raise RuntimeError(f"docker build of {name} failed:\n{said}")


def _has_buildx() -> bool:
    """Whether Docker has its newer builder; this Dockerfile suits the older one as well."""
    return not subprocess.run(["docker", "buildx", "version"], capture_output=True).returncode


def _download(scratch: Path, tell: prepared.Tell) -> Path:
    """Fetch the packages of the lock."""
    tell("fetching")
    target = scratch / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:"]
    command += ["--require-hashes", "--requirement", str(LOCK), "--dest", str(target)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pip cannot fetch the packages of {LOCK}:\n{done.stderr[-2000:]}")
    return target


# The packages that the image of `mote` installs.
WHEELS = prepared.Engine("mote-wheels", mote.__version__, _download, python_digest())
