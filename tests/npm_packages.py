"""Packages of npm that tests use, installed once by their lock file."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from motekit import places


def installed(folder: Path) -> Path:
    """Return the `node_modules` of the lock file in `folder`, installed at the first call."""
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:12]
    target = places.cache() / f"npm-{digest}"
    if not target.is_dir():
        with tempfile.TemporaryDirectory(dir=places.cache()) as scratch:
            for file in folder.glob("package*.json"):
                shutil.copy(file, scratch)
            command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
            subprocess.run(command, cwd=scratch, check=True, timeout=600)
            try:
                (Path(scratch) / "node_modules").rename(target)
            except OSError:
                # Another process was faster.
                if not target.is_dir():
                    raise
    return target
