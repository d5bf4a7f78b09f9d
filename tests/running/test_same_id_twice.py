"""Another client with the board's id: a real mosquitto ends the older connection each time."""

import json
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from house_of_one import home
from mote import contract
from mqtt_ear import ear
from paho.mqtt.enums import CallbackAPIVersion

pytestmark = pytest.mark.anyio


async def test_a_board_that_is_evicted_again_and_again_says_so(tmp_path: Path) -> None:
    info = contract.device_topic("dev", "info")
    async with (
        home(tmp_path) as place,
        ear([], "-p", str(place.broker.port), "-q", "1", "-t", "#") as heard,
    ):
        board = await place.board()
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        other = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="dev")
        other.reconnect_delay_set(1, 1)
        other.connect("127.0.0.1", place.broker.port)
        other.loop_start()
        try:
            await board.wait_for_log(contract.LOG_EVICTED + "dev", 120)
            # In its info, for `mote devices`; its own connection lasts long enough to say it.
            await heard.wait_for(
                lambda topic, text: topic == info and contract.EVICTED in json.loads(text), 120
            )
        finally:
            other.disconnect()
            other.loop_stop()
