"""Packages of npm that tests use, installed by `make engines` from the project's lock files."""

import shutil
import subprocess
from functools import partial
from pathlib import Path

import prepared
from motekit import places

# The installer's page.
PAGE = places.PROVISIONING / "web"
_TESTS = places.CHECKOUT / "tests"
FOLDERS = (PAGE, _TESTS / "wokwi", _TESTS / "broker" / "mqtt_js")


def _install(folder: Path, scratch: Path, tell: prepared.Tell) -> Path:
    tell("installing")
    for file in folder.glob("package*.json"):
        shutil.copy(file, scratch)
    command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"npm cannot install {folder}:\n{done.stderr[-2000:]}")
    return scratch / "node_modules"


def _lacking() -> str:
    return "" if shutil.which("node") and shutil.which("npm") else "Node.js with npm is missing"


def _engine(folder: Path) -> prepared.Engine:
    lock = (folder / "package-lock.json").read_text(encoding="utf-8")
    name = f"npm-{folder.name}"
    return prepared.Engine(name, "locked", partial(_install, folder), lock, lacking=_lacking)


ENGINES = [_engine(folder) for folder in FOLDERS]


def installed(folder: Path) -> Path:
    """Return the packages of the lock file in `folder`, one of FOLDERS. Raises NotPreparedError."""
    return next(one.path() for one in ENGINES if one.name == f"npm-{folder.name}")
