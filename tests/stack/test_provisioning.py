"""`mote provision --stack`: a board at USB gets a login in the backend, proven, and delivers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from motekit.credentials import AccountError
from motekit.stack.registration import Registration
from running_stack import PATIENCE_S, RunningStack, eventually

sys.path.append(str(Path(__file__).parents[1] / "host"))

from board_at_usb import bench, settings

pytestmark = pytest.mark.stack


def test_a_board_is_provisioned_for_the_backend(stack: RunningStack) -> None:
    with bench() as room:
        board = room.board()
        command = [Path(sys.executable).with_name("mote"), "provision", board.serial_path]
        command += ["--stack", "--id", "windowsill", "--wifi", "home", "--json"]
        done = subprocess.run(
            command,
            env=stack.environment | {"MOTE_WIFI_PASSWORD": "a good password"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)[0]["account"]
        mqtt = settings(board)["mqtt"]
    # The port without TLS is open to this machine alone.
    server = {key: mqtt[key] for key in ("host", "port", "user", "tls")}
    wanted = {"host": "localhost", "port": stack.tls_port, "user": "windowsill", "tls": True}
    assert server == wanted
    assert mqtt["ca"] == (stack.installation.authority / "ca.crt").read_text()
    assert mqtt["password"] not in done.stdout + done.stderr
    client = stack.client("windowsill", mqtt["password"])
    client.publish("sensors/windowsill/temperature", "20.5", qos=1).wait_for_publish(PATIENCE_S)
    query = "SELECT value FROM sensors WHERE device='windowsill'"
    assert eventually(lambda: stack.rows(query))[0]["value"] == 20.5


def test_a_login_whose_messages_do_not_arrive_is_no_success(
    stack: RunningStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in stack.environment.items():
        if key.startswith(("MOTE_", "COMPOSE_")):
            monkeypatch.setitem(os.environ, key, value)
    monkeypatch.setattr("motekit.stack.registration.PROOF_S", PATIENCE_S)
    logins = Registration(stack.installation)
    logins.put("proven", logins.new_password("proven"))
    assert "proven" in logins.names()
    monkeypatch.setattr("motekit.stack.registration.PROOF_S", 5)
    # The broker takes and acknowledges what a device may not write; only reading back shows it.
    monkeypatch.setattr(
        "motekit.stack.registration.contract.device_topic", lambda _device, _leaf: "devices/x/log"
    )
    with pytest.raises(AccountError, match="does not arrive"):
        logins.put("proven", logins.new_password("proven"))
