"""What the services' own checkers say of their configuration, and the specification of Compose."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from motekit.stack.installation import DOCKER
from running_stack import RunningStack, eventually

pytestmark = pytest.mark.stack


def test_compose_files_are_as_their_specification_says(tmp_path: Path) -> None:
    files = [tmp_path / file.name for file in DOCKER.glob("compose*.yaml")]
    assert len(files) > 3
    for file in files:
        # How a file is merged is Compose's own addition to YAML, and not in the schema.
        text = (DOCKER / file.name).read_text()
        file.write_text(text.replace(" !override ", " ").replace(" !reset ", " "))
    command = [Path(sys.executable).with_name("check-jsonschema")]
    command += ["--builtin-schema", "vendor.compose-spec", *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_telegraf_finds_no_fault_in_its_configuration(stack: RunningStack) -> None:
    said = stack.inside("telegraf", "telegraf config check --strict-env-handling")
    assert "E!" not in said, said


def test_telegraf_finds_the_fault_in_a_broken_one(stack: RunningStack) -> None:
    broken = "sed s/data_type/data_typo/ /etc/telegraf/telegraf.conf >/dev/shm/broken.conf"
    check = "telegraf config check --config /dev/shm/broken.conf; rm /dev/shm/broken.conf"
    assert "data_typo" in stack.inside("telegraf", f"{broken}; {check}")


def test_the_broker_takes_its_configuration_without_a_warning(stack: RunningStack) -> None:
    # Its 2.0 has no checker of its own: it says at its start what it does not like.
    began = f"{time.time():.6f}"
    stack.compose("restart", "mosquitto")

    def said() -> str:
        return stack.compose("logs", "--no-log-prefix", "--since", began, "mosquitto")

    eventually(lambda: "New client connected" in said())
    assert "Error" not in said() and "Warning" not in said(), said()


def test_the_database_says_of_no_setting_that_it_knows_it_not(stack: RunningStack) -> None:
    said = stack.compose("logs", "--no-log-prefix", "influxdb", "influxdb-setup")
    assert "unknown flag" not in said and "lvl=error" not in said, said
