"""The scenarios of sim/wokwi, each run on the virtual board; and how a run that fails ends."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from motekit import places
from motekit.exits import DONE, FAILED
from motekit.wokwi import project, runner, scenario
from motekit.wokwi.located import ProjectError
from PIL import Image
from wokwi_projects import PROJECTS

WOKWI = places.CHECKOUT / "sim" / "wokwi"
# What the other chips may do differently: pins, LED, flash; the rest is the same code.
OTHERS = ("boot", "identify", "led", "readings")


def named(file: Path) -> str:
    return file.name.removesuffix(".test.yaml")


FILES = {b: {named(f): f for f in project.read(WOKWI / b).scenarios()} for b in PROJECTS}
RUNS = [(b, name) for b, files in FILES.items() for name in files if b == "esp32" or name in OTHERS]
AT_ONCE = 6
# All of them run in the time of the first test.
pytestmark = pytest.mark.timeout(1200)
Outcome = tuple[int, str]


def outcome(folder: Path, file: Path, **options: object) -> Outcome:
    """The exit code and the output of one scenario."""
    said = bytearray()
    work = runner.run(
        project.read(folder), scenario.read(file), runner.Options(**options), said.extend
    )
    return asyncio.run(work), said.decode(errors="replace")


@pytest.fixture(scope="module")
def outcomes(projects: Path) -> dict[tuple[str, str], Outcome]:
    """Of all runs. They mostly wait: several at a time take no longer than the longest."""

    async def run_all() -> dict[tuple[str, str], Outcome]:
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(board: str, name: str) -> Outcome:
            said = bytearray()
            made = project.read(projects / board)
            file = next(one for one in made.scenarios() if named(one) == name)
            read = scenario.read(file)
            async with turn:
                code = await runner.run(made, read, runner.Options(timeout_ms=600_000), said.extend)
            return code, said.decode(errors="replace")

        ended = await asyncio.gather(*(one(*run) for run in RUNS))
        return dict(zip(RUNS, ended, strict=True))

    return asyncio.run(run_all())


@pytest.mark.parametrize(("board", "name"), RUNS)
def test_a_scenario_is_true(
    outcomes: dict[tuple[str, str], Outcome], board: str, name: str
) -> None:
    code, said = outcomes[board, name]
    assert code == DONE, said
    read = scenario.read(FILES[board][name])
    assert said.endswith(f"[{read.name}] Scenario completed successfully\n")


@pytest.mark.parametrize("board", PROJECTS)
def test_what_wokwi_has_not_is_asked_for_by_local_scenarios_only(board: str) -> None:
    for name, file in FILES[board].items():
        read = scenario.read(file)
        kinds = {type(step.action) for step in read.steps}
        needs = kinds & {scenario.ExpectChipOutput, scenario.TakeScreenshot}
        dollar = any(getattr(step.action, "part", "").startswith("$") for step in read.steps)
        assert read.local == bool(needs or dollar), name


def written(projects: Path, tmp_path: Path, steps: str) -> tuple[Path, Path]:
    """A project of its own beside the others, and a scenario in it."""
    folder = tmp_path / "sim" / "wokwi" / "esp32"
    shutil.copytree(projects / "esp32", folder, ignore=shutil.ignore_patterns("*.yaml"))
    (tmp_path / "build").symlink_to(projects.parents[1] / "build")
    file = folder / "own.test.yaml"
    file.write_text(f"name: Own\nversion: 1\nsteps:\n{steps}")
    return folder, file


def test_the_output_is_that_of_wokwi_cli(projects: Path, tmp_path: Path) -> None:
    steps = "  - name: Starts\n    wait-serial: 'mote '\n  - delay: 100ms\n"
    folder, file = written(projects, tmp_path, steps)
    log = tmp_path / "serial.log"
    code, said = outcome(folder, file, serial_log=log)
    lines = said.replace("\r", "").splitlines()
    assert code == DONE
    assert lines[:4] == [
        "Connected to the virtual board, an esp32",
        "Starting simulation...",
        "",
        "[Own] Executing step: Starts",
    ]
    assert re.fullmatch(r"I \d+ mote [\d.]+ on ESP32 after power-on", lines[4])
    assert '[Own] Expected text matched: "mote "' in lines
    assert "[Own] delay 100ms" in lines
    assert lines[-1] == "[Own] Scenario completed successfully"
    # No message stands in the middle of a line, and none of the board's bytes are lost.
    assert all(line.startswith(("[Own] ", "I ", "W ", "E ")) for line in lines[3:])
    assert log.read_text().startswith(lines[4])


def test_quiet_leaves_out_what_is_not_of_the_run(projects: Path, tmp_path: Path) -> None:
    folder, file = written(projects, tmp_path, "  - wait-serial: 'mote '\n")
    assert outcome(folder, file, quiet=True)[1].startswith("I ")


def test_a_wrong_level_fails_with_the_step(projects: Path, tmp_path: Path) -> None:
    steps = "  - wait-serial: 'mote '\n  - expect-pin: {part-id: boot, name: 1.l, value: 0}\n"
    folder, file = written(projects, tmp_path, steps)
    code, said = outcome(folder, file)
    assert code == FAILED
    assert "[Own] expect-pin boot:1.l == 0" in said
    assert re.search(r"Error: \[\d+ns\] GPIO boot:1\.l expected to be 0 but was 1", said)
    assert f"{file}:5: this step failed" in said


def test_what_never_comes_ends_with_the_code_of_a_time_out(projects: Path, tmp_path: Path) -> None:
    folder, file = written(projects, tmp_path, "  - wait-serial: never said\n")
    code, said = outcome(folder, file, timeout_ms=1000)
    assert code == 42
    assert "Timeout: simulation did not finish in 1000ms" in said
    assert f"{file}:4: this step was not over" in said
    assert outcome(folder, file, timeout_ms=1000, timeout_exit_code=0)[0] == 0


def test_a_picture_is_compared(projects: Path, tmp_path: Path) -> None:
    steps = """
  - wait-serial: 'setup: portal open'
  - take-screenshot: {part-id: led, save-to: lit.png}
  - take-screenshot: {part-id: led, compare-with: lit.png}
  - take-screenshot: {part-id: led, compare-with: other.png}
"""
    folder, file = written(projects, tmp_path, steps)
    code, said = outcome(folder, file)
    assert code == FAILED
    assert "Failed to read comparison file for screenshot: other.png" in said
    assert f"{file}:8: this step failed" in said
    picture = Image.open(folder / "lit.png").convert("RGB")
    picture.putpixel((7, 5), (1, 2, 3))
    picture.save(folder / "other.png")
    code, said = outcome(folder, file)
    assert code == FAILED and "Screenshot mismatch for other.png at x,y=(7,5)" in said


def test_a_picture_replaces_no_other_file(projects: Path, tmp_path: Path) -> None:
    steps = "  - wait-serial: 'setup: portal open'\n  - take-screenshot: {part-id: led, %s}\n"
    outside = tmp_path / "outside.png"
    cases = (
        ("link.png", None, "save-to", "a link leads out of"),
        ("notes.png", b"my notes", "save-to", "notes.png exists, and is no PNG"),
        ("notes.png", b"my notes", "compare-with", "it is no PNG"),
    )
    for number, (name, before, key, told) in enumerate(cases):
        (tmp_path / str(number)).mkdir()
        folder, file = written(projects, tmp_path / str(number), steps % f"{key}: {name}")
        if before:
            (folder / name).write_bytes(before)
        else:
            (folder / name).symlink_to(outside)
        code, said = outcome(folder, file)
        assert code == FAILED and told in said, said
        assert not outside.exists() and (not before or (folder / name).read_bytes() == before)


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("set-control: {part-id: dht, control: heat, value: 1}", "dht has no control heat; it has"),
        ("set-control: {part-id: hdt, control: heat, value: 1}", "there is no part hdt"),
        ("expect-pin: {part-id: esp, pin: 99, value: 1}", "esp has no pin 99"),
        ("take-screenshot: {part-id: esp, save-to: a.png}", "no picture of esp; there is one of"),
        ("touch: {part-id: esp, x: 1, y: 1}", "no part of the local board has a touch screen"),
    ],
)
def test_a_step_that_the_diagram_does_not_allow_is_told_before_anything_runs(
    projects: Path, tmp_path: Path, step: str, told: str
) -> None:
    folder, file = written(projects, tmp_path, f"  - {step}\n")
    with pytest.raises(ProjectError, match=rf"own\.test\.yaml:4: {re.escape(told)}"):
        outcome(folder, file)


def test_firmware_for_another_chip_is_told(projects: Path, tmp_path: Path) -> None:
    folder, file = written(projects, tmp_path, "  - delay: 1s\n")
    shutil.copy(projects / "esp32-c3" / "diagram.json", folder)
    with pytest.raises(ProjectError, match=r"wokwi\.toml:\d+: .*for the ESP32, .* an esp32c3"):
        outcome(folder, file)


def test_the_command_runs_all_and_counts(projects: Path, tmp_path: Path) -> None:
    folder, _ = written(projects, tmp_path, "  - wait-serial: 'mote '\n")
    (folder / "late.test.yaml").write_text("name: Late\nversion: 1\nsteps: [wait-serial: never]\n")
    mote = Path(sys.executable).with_name("mote")
    command = [mote, "sim", "test", folder, "--timeout", "20000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ)
    assert done.returncode == 42, done.stderr
    assert done.stdout.endswith("1 of 2 scenarios passed\n")
    assert f"--- {folder / 'own.test.yaml'}" in done.stdout
    broken = json.loads((folder / "diagram.json").read_text())
    broken["connections"].pop()
    (folder / "diagram.json").write_text(json.dumps(broken))
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ)
    assert done.returncode == FAILED and "mote: " in done.stderr and "led: A goes to" in done.stderr
