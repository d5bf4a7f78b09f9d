"""Updates over the air of the application: a real broker, a real runtime, a virtual board."""

import json
import re

import pytest
from mote import contract
from motekit import update
from updated import CRASH, NEVER_ONLINE, NOT_EVEN_LOADED, Owner, owned

pytestmark = pytest.mark.anyio


async def version(owner: Owner, wanted: str, timeout: float = 30) -> None:
    """Returns when the board says that it runs `wanted`."""
    info = contract.device_topic("dev", "info")
    owner.heard.heard.clear()
    await owner.board.wait_for_log(f"mote {wanted} on", timeout)
    await owner.heard.wait_for(lambda t, p: t == info and json.loads(p)["version"] == wanted, 30)


async def test_a_new_version_is_sent_switched_to_and_stays(tmp_path) -> None:
    async with owned(tmp_path) as owner:
        steps = []
        await owner.send(await owner.bundle("0.1.10"), lambda step, *_: steps.append(step))
        assert steps[0] == "checking" and steps[-1] == "trial" and steps.count("sending") > 20
        await version(owner, "0.1.10")
        assert any(contract.LOG_UPDATED + "0.1.10" in line for line in owner.board.log)
        # And back into the first slot; both times the board keeps its key.
        await owner.send(await owner.bundle("0.2.0"))
        await version(owner, "0.2.0")
        await owner.board.cut_power()
        files = owner.board.flash.files()
        assert json.loads(owner.board.flash.read("slots.json")) == {"slot": "a"}
        assert "/update.json" not in files and not any(f.startswith("/update/") for f in files)
