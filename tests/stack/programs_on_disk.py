"""Programs of this machine, copied into images: the file, and the libraries that it loads."""

import re
import shutil
import subprocess
from pathlib import Path


def libraries(program: Path) -> list[Path]:
    """The shared libraries that a program loads; none for a static one."""
    asked = subprocess.run(["ldd", program], capture_output=True, text=True)
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", asked.stdout)]


def copy(source: Path, target: Path) -> None:
    """Copy a file to where there is none yet."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
