"""The fixture of sim/wokwi/python, with the real wokwi-client, against the stand-in for Wokwi."""

import os
from pathlib import Path

import pytest
import wokwi_environment
from client_programs import ended
from motekit import places
from wokwi_cloud import open_cloud

FOLDER = places.CHECKOUT / "sim" / "wokwi" / "python"
# As sim/wokwi/README.md has it.
EXAMPLE = ("-m", "pytest", "-rs", "-p", "no:cacheprovider", "-c", os.devnull, FOLDER)
WAIT = """
import os, sys
from pathlib import Path
from wokwi_client import WokwiClientSync
with WokwiClientSync(os.environ["WOKWI_CLI_TOKEN"]) as client:
    client.upload_file("diagram.json", Path(sys.argv[1]))
    firmware = client.upload_idf_firmware(sys.argv[2])
    client.start_simulation(firmware.firmware, flash_size=firmware.flash_size)
    client.wait_until_simulation_time(1.5)
    print(client.last_pause_nanos / 1e9)
"""
# Of the client nothing but these reaches the tests.
INHERITED = ("PATH", "HOME", "TMPDIR", "LANG")


@pytest.fixture(scope="module")
def python() -> Path:
    """Of an environment of its own: wokwi-client wants older websockets than the hub."""
    return wokwi_environment.ENGINE.path() / "bin" / "python"


async def run(python: Path, *arguments: str | Path, **environment: str) -> tuple[int, str]:
    """The exit code, and what it printed."""
    own = {name: os.environ[name] for name in INHERITED if name in os.environ}
    code, said, _ = await ended(
        python, "-B", *arguments, environment=own | environment, together=True
    )
    return code, said


@pytest.mark.anyio
async def test_the_example_passes(python: Path, projects: Path) -> None:
    async with open_cloud() as cloud:
        project = {"WOKWI_PROJECT": str(projects / "esp32")}
        code, said = await run(python, *EXAMPLE, **project, **cloud.reached)
    assert code == 0 and "1 passed" in said, said
    # Nothing of it went past the board.
    assert {"file:upload", "serial-monitor:write", "control:set", "pin:read"} <= set(cloud.asked)


@pytest.mark.anyio
async def test_without_a_token_it_says_where_to_get_one(python: Path) -> None:
    code, said = await run(python, *EXAMPLE)
    assert code == 0 and "1 skipped" in said, said
    assert "WOKWI_CLI_TOKEN is not set: get a token at https://wokwi.com/dashboard/ci" in said


@pytest.mark.anyio
async def test_the_client_waits_by_the_clock_of_the_simulation(
    python: Path, projects: Path
) -> None:
    async with open_cloud() as cloud:
        listed = projects.parents[1] / "build" / "wokwi" / "esp32" / "flasher_args.json"
        diagram = projects / "esp32" / "diagram.json"
        code, said = await run(python, "-c", WAIT, diagram, listed, **cloud.reached)
    assert code == 0, said
    assert 1.5 <= float(said) < 15
