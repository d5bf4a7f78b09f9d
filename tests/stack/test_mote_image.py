"""The image of `mote`: what its Dockerfile makes, run as the compose files run it."""

import re
import subprocess

import mote_image
import pytest
from motekit import places
from motekit.stack.installation import versions

LARGEST_BYTES = 40_000_000
# Of nobody's home, with nothing to write to, and not the user that the image names.
CONFINED = ["--rm", "--read-only", "--cap-drop=ALL", "--network=none", "--user=4242:4242"]


def docker_says(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_image(*command: str) -> str:
    return docker_says("run", *CONFINED, versions()["MOTE_IMAGE"], *command)


def of_image(variable: str, form: str) -> str:
    return docker_says("image", "inspect", "--format", form, versions()[variable]).strip()


def entries(text: str) -> dict[str, set[str]]:
    """The packages of a lock, by name and version, with their hashes."""
    parts = re.split(r"^(?=\w)", text, flags=re.M)
    return {part.split()[0]: set(re.findall(r"sha256:\w+", part)) for part in parts if part.strip()}


def test_its_lock_says_what_that_of_the_project_says() -> None:
    project = entries((places.CHECKOUT / "requirements.lock").read_text())
    mine = entries(mote_image.LOCK.read_text())
    assert mine
    assert {name: project.get(name) for name in mine} == mine, "run `make lock`"


@pytest.mark.stack
@pytest.mark.usefixtures("stack")
def test_its_packages_are_those_of_its_lock() -> None:
    told = in_image(
        "python",
        "-c",
        "import importlib.metadata as all\n"
        "for one in all.distributions(): print(one.name.lower() + '==' + one.version)",
    )
    there = {line.replace("_", "-") for line in told.split() if not line.startswith("pip==")}
    locked = set(entries(mote_image.LOCK.read_text()))
    assert there <= locked
    # What the lock has beyond that is for other systems and older Pythons.
    assert {line.partition("==")[0] for line in locked - there} <= {"async-timeout", "colorama"}


@pytest.mark.stack
@pytest.mark.usefixtures("stack")
def test_any_user_runs_it_and_it_names_one_of_its_own() -> None:
    assert in_image("id", "-u").strip() == "4242"
    assert "Usage: mote fleet" in in_image("mote", "fleet", "--help")
    assert "--redis" in in_image("python", "-m", "motekit.values", "--help")
    assert of_image("MOTE_IMAGE", "{{.Config.User}}") == "10001:10001"


@pytest.mark.stack
@pytest.mark.usefixtures("stack")
def test_it_adds_little_and_nothing_of_the_installation() -> None:
    sizes = [int(of_image(name, "{{.Size}}")) for name in ("PYTHON_IMAGE", "MOTE_IMAGE")]
    assert 0 < sizes[1] - sizes[0] < LARGEST_BYTES
    there = in_image("sh", "-c", "ls /mote /mote/host; find / -xdev -name settings.env").split()
    assert {"firmware", "host", "motekit"} <= set(there)
    assert not {"docker", "tests", "state", ".git"} & set(there)
    assert not [path for path in there if path.endswith("settings.env")]
