"""A hub that starts asks the boards for what it may have missed, until each has obeyed."""

import json
import time
from typing import Any

from clients import Client, new_hub, until, with_hub
from mote import contract
from motekit.hub.store import Reading


class Board(Client):
    """Comes online, hears commands and answers them."""

    def come(self) -> None:
        for status in (contract.OFFLINE, contract.ONLINE):
            self.publish(contract.device_topic("plant1", "status"), status, retain=True)

    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for _, payload in self.heard]

    def answer(self, **entries: object) -> None:
        answer = {"cmd": "replay", "nonce": self.asked()[-1]["nonce"], **entries}
        self.publish(contract.device_topic("plant1", "reply"), json.dumps(answer))


def test_a_board_that_refuses_is_asked_when_it_comes_again_and_not_after_it_obeyed(
    tmp_path,
) -> None:
    hub = new_hub(tmp_path)
    last_s = int(time.time()) - 1_000
    # One within the hour that clocks may differ: it does not keep the others from coming again.
    readings = [(last_s, 20.0), (last_s + 4_000, 21.0)]
    hub.store.write([Reading("plant1", "temperature", s * 10**9, v) for s, v in readings])
    hub.store.close()
    hub = new_hub(tmp_path)

    def come_and_go() -> None:
        board = Board(hub.mqtt_port)
        board.subscribe(contract.device_topic("plant1", "cmd"))
        board.come()
        until(lambda: len(board.asked()) == 1)
        (first,) = board.asked()
        assert first["cmd"] == "replay" and last_s - 100 < first["since"] < last_s
        # In safe mode it cannot.
        board.answer(ok=False, error="not in safe mode")
        board.answer(ok=True, nonce="of another command")
        board.come()
        until(lambda: len(board.asked()) == 2)
        # A copy of the command, which a board obeys once.
        assert board.asked() == [first, first]
        board.publish(contract.device_topic("plant1", "reply"), "no JSON")
        board.answer(ok=True, readings=5)
        board.come()
        other = Client(hub.mqtt_port)
        other.publish(contract.device_topic("plant1", "cmd"), json.dumps({"cmd": "the last"}))
        until(lambda: board.asked()[-1]["cmd"] == "the last")
        assert len(board.asked()) == 3
        other.close()
        board.close()

    with_hub(hub, come_and_go)
