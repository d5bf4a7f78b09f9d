"""An environment of Python with the real wokwi-client, made by `make engines`."""

import subprocess
import sys
import venv
from pathlib import Path

import prepared
from motekit import places

REQUIREMENTS = places.CHECKOUT / "sim" / "wokwi" / "python" / "requirements.txt"


def _make(scratch: Path, tell: prepared.Tell) -> Path:
    made = scratch / "environment"
    venv.create(made)
    tell("installing")
    command = [sys.executable, "-m", "pip", "--quiet", "--python", made / "bin" / "python"]
    command += ["install", "--require-hashes", "-r", REQUIREMENTS]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pip cannot install {REQUIREMENTS}:\n{done.stderr[-2000:]}")
    return made


ENGINE = prepared.Engine(
    "wokwi-client",
    f"python-{sys.version_info.major}.{sys.version_info.minor}",
    _make,
    REQUIREMENTS.read_text(encoding="utf-8") + sys.version,
)
