"""ARCHITECTURE.md, held true: what may import what, and that every room it draws is there."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEVICE = ROOT / "firmware" / "mote"
PLAN = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")

# What the official ESP32 images 1.24 and later carry, built in or frozen (ports/esp32).
IMAGE_MODULES = set(
    """
    _thread aioespnow array asyncio binascii bluetooth builtins cmath collections cryptolib
    deflate dht ds18x20 errno esp esp32 espnow framebuf gc hashlib heapq io json machine math
    micropython mip neopixel network ntptime onewire os platform random re requests select
    socket ssl struct sys time tls uctypes umqtt vfs websocket
    """.split()  # noqa: SIM905
)


def imports(path: Path) -> set[str]:
    """Every module that a file imports, by its dotted name, whether at its top or inside."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports by their full name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def python_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts)


def device_layers() -> list[set[str]]:
    """The numbered list of the firmware's layers, highest first, read out of ARCHITECTURE.md."""
    section = PLAN.split("## firmware/")[1].split("\n## ")[0]
    lines = re.findall(r"^\d+\. (.+)$", section, re.M)
    return [set(re.findall(r"`(\w+)`", line)) for line in lines]


def room(path: Path) -> str:
    return path.relative_to(DEVICE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", python_files(DEVICE), ids=lambda p: str(p.relative_to(DEVICE)))
def test_firmware_imports_point_downwards_only(path: Path) -> None:
    layers = {name: depth for depth, names in enumerate(device_layers()) for name in names}
    here = room(path)
    if here == "__init__":
        return
    assert here in layers, f"ARCHITECTURE.md has no place for {here}"
    for name in imports(path):
        if not name.startswith("mote."):
            continue
        there = name.split(".")[1]
        if there == "__version__" or there == here:
            continue
        assert layers[there] > layers[here], f"{here} must not import {there}"


@pytest.mark.parametrize(
    "path", python_files(ROOT / "firmware"), ids=lambda p: str(p.relative_to(ROOT))
)
def test_firmware_imports_exist_in_the_official_image(path: Path) -> None:
    for name in imports(path):
        top = name.split(".")[0]
        assert top == "mote" or top in IMAGE_MODULES, f"{top} is not in the official ESP32 image"


def test_firmware_does_not_know_that_simulators_exist() -> None:
    for path in python_files(ROOT / "firmware"):
        assert not re.search(r"simulat|motesim|virtual", path.read_text(), re.I), path


def test_the_hub_does_not_import_the_simulator_and_sim_only_places() -> None:
    for path in python_files(ROOT / "host" / "motekit" / "hub"):
        assert not any(name.startswith("motesim") for name in imports(path)), path
    for path in python_files(ROOT / "sim" / "motesim"):
        of_host = {name for name in imports(path) if name.startswith("motekit")}
        allowed = re.compile(r"motekit\.(places|packages|boards|firmware|image|supervision)\b")
        assert all(allowed.match(name) for name in of_host), (path, of_host)


def test_the_broker_imports_nothing_of_the_project_but_itself() -> None:
    for path in python_files(ROOT / "host" / "motekit" / "broker"):
        of_project = {n for n in imports(path) if n.split(".")[0] in ("motekit", "mote", "motesim")}
        allowed = ("motekit.broker.", "motekit.limited_log.")
        assert all(name.startswith(allowed) for name in of_project), (path, of_project)


def test_one_module_prints() -> None:
    """What comes from outside cannot control a terminal (`motekit/terminal.py`)."""
    forbidden = re.compile(r"(typer|click)\.s?echo\b|\bConsole\(|sys\.std(out|err)\.write\b")
    for path in python_files(ROOT / "host" / "motekit"):
        if path.name in ("terminal.py", "terminal_console.py"):
            continue
        text = path.read_text(encoding="utf-8")
        assert not forbidden.search(text), f"{path}: print with motekit.terminal"
        calls = (node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
        names = {one.id for one in calls if isinstance(one, ast.Name)}
        assert "print" not in names, f"{path}: print with motekit.terminal"


def test_models_import_nothing_of_the_host() -> None:
    allowed = IMAGE_MODULES | {"utime", "uos", "usocket", "usys", "uio", "models", "world"}
    models = ROOT / "sim" / "runtime"
    own = {p.stem for p in python_files(models)}
    for path in python_files(models):
        for name in imports(path):
            assert name.split(".")[0] in allowed | own, (path, name)


def test_every_room_in_the_plan_is_there() -> None:
    for section, base in (
        ("firmware/", ROOT / "firmware"),
        ("sim/", ROOT / "sim"),
        ("host/motekit/", ROOT / "host" / "motekit"),
        ("docker/", ROOT / "docker"),
    ):
        text = PLAN.split(f"## {section}")[1].split("```")[1]
        parents: dict[int, str] = {}
        for line in text.splitlines():
            # Names stand before two spaces; a line that is indented further goes on explaining.
            depth = len(line) - len(line.lstrip())
            names = line.strip().split("  ")[0].split()
            if not line.strip() or depth > 12:
                continue
            for name in names:
                above = "".join(parents[d] for d in sorted(parents) if d < depth)
                path = base / above / name
                assert path.exists(), f"ARCHITECTURE.md draws {path.relative_to(ROOT)}"
                if name.endswith("/"):
                    parents = {d: p for d, p in parents.items() if d < depth} | {depth: name}


def test_the_top_of_the_house_is_fixed() -> None:
    fixed = {"firmware", "host", "provisioning", "docker", "tests", "sim"}
    folders = {p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith(".")}
    assert fixed <= folders <= fixed | {"build", "docs"}
    told = subprocess.run(
        ["git", "ls-files", "-z", "--", ":(glob)*"], cwd=ROOT, capture_output=True, text=True
    )
    # Outside of a checkout there is nothing that could have been committed.
    papers = {
        *("LICENSE", "Makefile", "pyproject.toml", "requirements.lock"),
        *(".gitignore", ".dockerignore"),
    }
    for name in filter(None, told.stdout.split("\0")):
        assert name in papers or name.endswith(".md"), f"{name} belongs into a room"


def test_python_is_new_enough_for_what_the_project_promises() -> None:
    assert sys.version_info >= (3, 11)
