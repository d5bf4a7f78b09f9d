"""What Docker Compose itself makes of the settings that came out of a stranger's backup."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from motekit.stack.installation import DOCKER, Installation, versions

sys.path += [str(Path(__file__).parents[1] / room) for room in ("host", "soak")]

import backup_files
import go_programs
import trust_backup

pytestmark = pytest.mark.stack


@pytest.fixture
def compose(tmp_path: Path) -> Path:
    """Docker Compose, which reads files without an engine."""
    found = tmp_path / "docker-compose"
    shutil.copy(go_programs.COMPOSE.path(), found)
    return found


def configured(compose: Path, installation: Installation) -> dict[str, Any]:
    """The services as Compose would start them, with the profiles that the settings choose."""
    environment = os.environ | {
        "MOTE_STATE": str(installation.state),
        "COMPOSE_PROFILES": installation.profile,
    }
    # Nothing of this test's own environment stands in front of a setting.
    for key in [key for key in environment if key.endswith("_IMAGE")]:
        del environment[key]
    command = [compose, "config", "--format", "json"]
    done = subprocess.run(command, cwd=DOCKER, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


def test_no_image_mount_port_or_right_is_of_the_backup(compose: Path, tmp_path: Path) -> None:
    original = backup_files.new_installation(tmp_path / "original" / "state", "plant1")
    here = backup_files.new_installation(tmp_path / "here" / "state")
    here._set("MOTE_MQTT_ADDRESS", "192.0.2.9")
    here._set("MOTE_PROFILE", "full")
    source = tmp_path / "x.backup"
    usual = configured(compose, here)
    for value in trust_backup.EVIL_VALUES:
        last = [f"{key}={value[:1_200]}\n" for key in trust_backup.EVIL_KEYS if key.strip(" #=")]
        evil = b"\n" + "".join(last).encode() + b"MOTE_NAMES=localhost\n"
        entries = backup_files.entries_of(original)
        source.write_bytes(
            backup_files.changed(entries, "settings.env", lambda old, evil=evil: old + evil)
        )
        prepared = backup_files.prepare(source, here)
        found = configured(compose, prepared.fresh)
        state = str(prepared.fresh.state)
        assert found.keys() <= usual.keys()
        for name, service in found.items():
            assert service["image"] in versions().values(), name
            assert not service.get("privileged") and not service.get("cap_add"), name
            assert service["user"] == usual[name]["user"] and "devices" not in service, name
            for volume in service.get("volumes", []):
                allowed = (state, str(DOCKER), here.settings()["MOTE_DOCKER_SOCKET"])
                assert volume["source"].startswith(allowed), (name, volume)
            assert service.get("networks") == usual[name].get("networks"), name
        [mqtt] = [one for one in found["mosquitto"]["ports"] if one["target"] == 1883]
        assert mqtt["host_ip"] == "192.0.2.9"
        prepared.discard()
