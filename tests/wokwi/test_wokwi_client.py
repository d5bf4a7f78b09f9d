"""The fixture of sim/wokwi/python, with the real wokwi-client, against the stand-in for Wokwi."""

import asyncio
import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from motekit import places
from wokwi_cloud import open_cloud

EXAMPLE = places.CHECKOUT / "sim" / "wokwi" / "python"
REQUIREMENTS = EXAMPLE / "requirements.txt"
# Of the client nothing but these reaches the tests.
INHERITED = ("PATH", "HOME", "TMPDIR", "LANG")


@pytest.fixture(scope="module")
def python() -> Path:
    """Of an environment of its own: wokwi-client wants older websockets than the hub."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = places.cache() / f"wokwi-client-{digest}"
    found = folder / "bin" / "python"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            venv.create(folder, clear=True)
            command = [sys.executable, "-m", "pip", "--quiet", "--python", found, "install"]
            subprocess.run([*command, "--require-hashes", "-r", REQUIREMENTS], check=True)
            (folder / "ready").touch()
    return found


async def run_example(python: Path, project: Path, **environment: str) -> tuple[int, str]:
    """As sim/wokwi/README.md has it: the exit code, and what pytest printed."""
    process = await asyncio.create_subprocess_exec(
        python, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "-c", os.devnull, EXAMPLE,
        env={name: os.environ[name] for name in INHERITED if name in os.environ}
        | {"WOKWI_PROJECT": str(project), "PYTHONDONTWRITEBYTECODE": "1"} | environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 150)
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, said.decode()


@pytest.mark.anyio
async def test_the_example_passes(python: Path, projects: Path) -> None:
    async with open_cloud() as cloud:
        code, said = await run_example(
            python, projects / "esp32", WOKWI_CLI_SERVER=cloud.url, WOKWI_CLI_TOKEN="made up"
        )
    assert code == 0 and "1 passed" in said, said
    # Nothing of it went past the board.
    assert {"file:upload", "serial-monitor:write", "control:set", "pin:read"} <= set(cloud.asked)


@pytest.mark.anyio
async def test_without_a_token_it_says_where_to_get_one(python: Path, projects: Path) -> None:
    code, said = await run_example(python, projects / "esp32")
    assert code == 0 and "1 skipped" in said, said
    assert "WOKWI_CLI_TOKEN is not set: get a token at https://wokwi.com/dashboard/ci" in said
