"""`mote sim test` and the real wokwi-cli, by the same scenarios: the same codes, the same words.

wokwi-cli is in no package registry: this file counts where it is installed (conftest.py).
It runs against the stand-in for Wokwi's server, so this proves what the two programs do, and
nothing of the simulator in the cloud.
"""

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from client_programs import ended
from motekit.exits import DONE, FAILED
from wokwi_cloud import open_cloud

pytestmark = pytest.mark.anyio
MOTE = Path(sys.executable).with_name("mote")
NO_SERIAL = re.compile(r"^(\[|RFC 2217|Timeout)|: this step was not over$")


@dataclass(frozen=True)
class Run:
    """How a program ended, and what it printed: on standard output, and everywhere."""

    code: int
    out: str
    all: str

    def steps(self, name: str) -> list[str]:
        """What it told of the scenario `name`."""
        return re.findall(rf"^(\[{re.escape(name)}\] .*)$", self.out, re.M)

    def serial(self) -> str:
        """What the board said, without its times and its ends of lines."""
        _, told = self.out.split("Starting simulation...\n")
        lines = [line for line in told.replace("\r", "").splitlines() if not NO_SERIAL.search(line)]
        return re.sub(r"([IWE]) \d+ ", r"\1 ", "".join(lines))


async def run(*command: str | Path, **environment: str) -> Run:
    code, out, errors = await ended(
        *command, environment=os.environ | {"NO_COLOR": "1"} | environment
    )
    return Run(code, out, out + errors)


async def both(project: Path, scenario: str, timeout: int = 60_000) -> tuple[Run, Run]:
    """What wokwi-cli makes of a scenario, and what `mote sim test` does."""
    options = ("--scenario", scenario, "--timeout", str(timeout))
    async with open_cloud() as cloud:
        real = await run("wokwi-cli", project, *options, **cloud.reached)
    return real, await run(MOTE, "sim", "test", project, *options)


@pytest.fixture
def own(projects: Path, tmp_path: Path) -> Path:
    """A project that is the test's own; `write` puts a scenario into it."""
    folder = tmp_path / "sim" / "wokwi" / "esp32"
    shutil.copytree(projects / "esp32", folder)
    (tmp_path / "build").symlink_to(projects.parents[1] / "build")
    return folder


def write(project: Path, steps: str) -> str:
    (project / "own.test.yaml").write_text(f"name: Own\nversion: 1\nsteps:\n{steps}")
    return "own.test.yaml"


@pytest.mark.parametrize(
    ("scenario", "name"),
    [("boot", "Boots into set-up"), ("readings", "Publishes what the sensors measure")],
)
async def test_what_passes_there_passes_here(projects: Path, scenario: str, name: str) -> None:
    real, ours = await both(projects / "esp32", f"../scenarios/{scenario}.test.yaml")
    assert (real.code, ours.code) == (DONE, DONE), real.all + ours.all
    assert real.steps(name) == ours.steps(name)
    assert real.steps(name)[-1] == f"[{name}] Scenario completed successfully"


async def test_both_print_the_same(own: Path) -> None:
    real, ours = await both(own, write(own, "  - name: Starts\n    wait-serial: 192.168.4.1\n"))
    # A line is free before the first step.
    assert "\n\n[Own] Executing step: Starts\n" in real.out
    assert "\n\n[Own] Executing step: Starts\n" in ours.out
    # There the board halts within the line, here the line is told to its end.
    assert real.serial().endswith("192.168.4.1") and ours.serial().startswith(real.serial())
    assert real.steps("Own") == ours.steps("Own")


async def test_what_never_comes_is_a_time_out(own: Path) -> None:
    real, ours = await both(own, write(own, "  - wait-serial: never said\n"), 7000)
    assert (real.code, ours.code) == (42, 42)
    told = "Timeout: simulation did not finish in 7000ms"
    assert real.all.count(told) == ours.all.count(told) == 1
    assert real.serial() == ours.serial() != ""


async def test_a_wrong_level_fails(own: Path) -> None:
    steps = "  - wait-serial: 'mote '\n  - expect-pin: {part-id: boot, name: 1.l, value: 0}\n"
    real, ours = await both(own, write(own, steps))
    assert (real.code, ours.code) == (FAILED, FAILED)
    assert real.steps("Own") == ours.steps("Own")
    words = r"Error: \[\d+ns\] GPIO boot:1\.l expected to be 0 but was 1\n"
    assert re.search(words, real.all) and re.search(words, ours.all)


@pytest.mark.parametrize(
    ("step", "word"),
    [
        ("wait-seriel: x", "wait-seriel"),
        ("delay: 500", "500ms"),
        ("set-control: {part-id: dht, value: 1}", "name"),
        ("take-screenshot: {part-id: led}", "save-to"),
    ],
)
async def test_what_is_written_wrongly_is_told_by_both(own: Path, step: str, word: str) -> None:
    real, ours = await both(own, write(own, f"  - {step}\n"))
    assert (real.code, ours.code) == (FAILED, FAILED)
    assert word in real.all and word in ours.all
    assert "Starting simulation" not in real.out + ours.out


async def test_a_pin_is_never_true(own: Path) -> None:
    steps = "  - wait-serial: 'mote '\n  - expect-pin: {part-id: esp, pin: 4, value: true}\n"
    real, ours = await both(own, write(own, steps))
    assert (real.code, ours.code) == (FAILED, FAILED)
    # Wokwi finds out while it runs, we before.
    assert "expected to be true but was 1" in real.all and "value: " in ours.all
