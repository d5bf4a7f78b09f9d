"""`mote fleet` publishes with a login for each device, and the database has all of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from running_stack import RunningStack

pytestmark = pytest.mark.stack

DEVICES = 12
PER_SECOND = 300
SECONDS = 10


def test_a_fleet_finds_all_its_readings_in_the_database(
    stack: RunningStack, tmp_path: Path
) -> None:
    names = [f"crowd-{number:02}" for number in range(1, DEVICES + 1)]
    accounts = tmp_path / "accounts.csv"
    rows = stack.passwords(*names).items()
    accounts.write_text("".join(f"{name},{password}\n" for name, password in rows))
    command = [Path(sys.executable).with_name("mote"), "fleet", "--json"]
    command += ["--devices", str(DEVICES), "--rate", str(PER_SECOND), "--seconds", str(SECONDS)]
    command += ["--prefix", "crowd", "--broker", f"mqtts://localhost:{stack.tls_port}"]
    command += ["--ca", stack.installation.authority / "ca.crt", "--accounts", accounts]
    command += ["--outages", "200", "--away", "2"]
    command += ["--verify", "influx", "--influx-url", f"http://{stack.address('influxdb')}:8086"]
    command += ["--org", "mote", "--token-file"]
    command += [stack.installation.secrets / "grafana/influxdb_token"]
    done = subprocess.run(command, capture_output=True, text=True, env=stack.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["lost"] == 0 and not report["never_in"], report
    assert report["acknowledged"] == report["taken"] > PER_SECOND, report
    assert report["backfilled"], report
