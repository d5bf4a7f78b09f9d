"""A board that refuses to lead its password elsewhere: the command says what to add."""

import pytest
from mote import contract
from motekit.orders import asking
from motekit.orders.roster import Device


def test_the_refusal_says_how_to_give_the_password() -> None:
    error = contract.PASSWORD_NEEDED + "host, port"
    with pytest.raises(asking.OrderError) as refused:
        asking._judge(Device("plant1"), "config", {"ok": False, "error": error})
    told = str(refused.value)
    assert told.startswith("plant1: the MQTT password is needed with another host, port")
    assert "Add mqtt.password to the same command, without a value: it prompts" in told
