"""sim/wokwi/README.md, held true: its example runs, its tables are those of the code."""

import asyncio
import inspect
import json
import re
import shutil
from pathlib import Path

import pytest
from motekit import places
from motekit.commands import sim_test
from motekit.exits import DONE, FAILED
from motekit.wokwi import diagram, project, runner, scenario, wiring
from motekit.wokwi.surroundings import CONTROLS
from wokwi_projects import PROJECTS

WOKWI = places.CHECKOUT / "sim" / "wokwi"
MANUAL = (WOKWI / "README.md").read_text(encoding="utf-8")


def rows(heading: str) -> dict[str, list[str]]:
    """The cells of each row of the first table under a heading, by the first of them."""
    section = MANUAL.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = re.findall(r"^ *\| (.+) \|$", section, re.M)
    cells = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells}


def test_the_first_sensor_works_as_the_manual_says(projects: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sim" / "wokwi" / "esp32"
    shutil.copytree(projects / "esp32", folder)
    (tmp_path / "build").symlink_to(projects.parents[1] / "build")
    (example,) = re.findall(r"```yaml\n(.+?)```", MANUAL, re.S)
    file = folder / "first.test.yaml"

    def run(text: str, timeout_ms: int) -> int:
        file.write_text(text)
        options = runner.Options(timeout_ms=timeout_ms)
        work = runner.run(project.read(folder), scenario.read(file), options, lambda data: None)
        return asyncio.run(work)

    assert run(example, 200_000) == DONE
    assert run(example.replace("it is 31.5", "it is 99"), 6_000) == runner.TIMEOUT_EXIT


def test_the_parts_of_the_example_are_those_of_the_diagram() -> None:
    drawn = diagram.read(WOKWI / "esp32" / "diagram.json")
    for end, to in re.findall(r'^\["(\w+:\w+)", "([\w:.]+)"', MANUAL, re.M):
        assert tuple(to.split(":")) in drawn.net(*end.split(":"))


def test_every_scenario_is_in_the_table_with_where_it_runs() -> None:
    told = rows("The scenarios")
    files = {file for board in PROJECTS for file in project.read(WOKWI / board).scenarios()}
    names = {file.name.removesuffix(".test.yaml") for file in files}
    assert told.keys() - {"scenario"} == names
    for file in files:
        where = told[file.name.removesuffix(".test.yaml")][1]
        assert where.startswith("no: " if scenario.read(file).local else "yes"), file


def test_every_step_and_every_control_is_explained() -> None:
    section = MANUAL.split("## Add a scenario\n")[1].split("\n## ")[0]
    for name in (*scenario.STEPS, *CONTROLS):
        assert f"`{name}" in section, name
    for controls in CONTROLS.values():
        assert all(f"`{control}`" in section for control in controls)
    made = wiring.circuit(diagram.read(WOKWI / "esp32" / "diagram.json"))
    for part, control in made.controls:
        assert re.search(rf"`{part}`[^;|]*`{control}`", section), (part, control)


def test_the_differences_are_those_of_the_code() -> None:
    told = rows("What differs between silicon, Wokwi and the local board")
    codes = f"{DONE}, {FAILED}, {runner.TIMEOUT_EXIT}"
    assert told["exit codes of a run"][1:] == [codes, codes]
    assert told["time-out"][2] == f"{runner.TIMEOUT_MS} ms"
    options = inspect.signature(sim_test.command).parameters
    assert options["timeout"].default == runner.TIMEOUT_MS
    assert options["timeout_exit_code"].default == runner.TIMEOUT_EXIT
    assert wiring.MAC in told["MAC"][1] and wiring.GUEST.ssid in told["WiFi"][1]
    assert f"{wiring.SUPPLY_V} V" in told["potentiometer"][2]


def test_what_is_proven_without_the_cloud_is_of_the_pinned_versions() -> None:
    packages = json.loads(Path(__file__).with_name("package.json").read_text())["dependencies"]
    pinned = (WOKWI / "python" / "requirements.txt").read_text()
    assert f"`@wokwi/client` {packages['@wokwi/client']}," in MANUAL
    (version,) = re.findall(r"^wokwi-client==(\S+)", pinned, re.M)
    assert f"| `wokwi-client` {version} |" in MANUAL


@pytest.mark.parametrize("board", PROJECTS)
def test_every_project_is_named_with_its_firmware(board: str) -> None:
    assert f"[`{board}`]({board})" in MANUAL
    made_by = f"mote image --board {PROJECTS[board]} --flasher-args build/wokwi/{board}"
    assert made_by in (WOKWI / board / "wokwi.toml").read_text()
    firmware = project.read(WOKWI / board).firmware
    assert firmware == places.CHECKOUT / "build" / "wokwi" / board / "flasher_args.json"
