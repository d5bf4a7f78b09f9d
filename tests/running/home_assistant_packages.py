"""The packages of Home Assistant that judge its discovery, installed by `make engines`."""

import subprocess
import sys
from pathlib import Path

import prepared

REQUIREMENTS = Path(__file__).with_name("home_assistant.txt")
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def _install(scratch: Path, tell: prepared.Tell) -> Path:
    tell("installing")
    made = scratch / "made"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--target", str(made)]
    only = ["--no-deps", "--only-binary", ":all:", "-r", str(REQUIREMENTS)]
    done = subprocess.run([*pip, *only], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pip cannot install {REQUIREMENTS}:\n{done.stderr[-2000:]}")
    return made


ENGINE = prepared.Engine(
    "home-assistant", f"python-{_PYTHON}", _install, REQUIREMENTS.read_text(encoding="utf-8")
)
