"""A service that Docker starts again and again: no command takes it for healthy."""

import json
from pathlib import Path

import pytest
from running_stack import RunningStack

pytestmark = pytest.mark.stack


def test_a_restart_loop_is_told_and_what_ends_it_is_healthy(images: None, tmp_path: Path) -> None:
    stack = RunningStack(tmp_path / "state: here, and there", ["mosquitto"])
    stack.mote("init", "--name", "localhost")
    stack.set_ports()
    queue = stack.installation.data / "mosquitto" / "mosquitto.db"
    queue.write_text("no queue of mosquitto")
    queue.chmod(0o644)
    try:
        failed = stack.run("stack", "up", "mosquitto", "--json")
        assert failed.returncode == 1
        assert json.loads(failed.stdout)["error"].startswith("not healthy: mosquitto (restarted ")
        last = failed.stderr.splitlines()[-1]
        assert last.startswith("mote: not healthy: mosquitto (restarted "), failed.stderr
        assert "its log ends" in failed.stderr and "mote stack doctor" in last
        assert "not healthy: mosquitto" in stack.mote_fails("status")
        queue.unlink()
        up = json.loads(stack.mote("up", "mosquitto", "--json"))
        assert up["addresses"]["mqtt"] == f"localhost:{stack.port}"
        (shown,) = json.loads(stack.mote("status", "--json"))
        assert shown["good"] and shown["checked"] and shown["lasting"]
        said = [json.loads(line) for line in stack.mote("logs", "--json").splitlines()]
        assert said and all(one["text"] and one["time"] for one in said), said
        assert {one["service"] for one in said} == {"mosquitto"}
        stack.compose("stop")
        assert "not healthy: mosquitto" in stack.mote_fails("status")
    finally:
        stopped = json.loads(stack.mote("down", "--json"))
    assert stopped["stopped"] == ["mosquitto"]
