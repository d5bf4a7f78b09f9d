"""After a start, asks every device for what may be missing: boards keep what they have sent.

What a computer had not brought to its disk when it lost its power, or what a backup did not have,
comes again as backfill, with its own times. A hub that was only killed has what it acknowledged.
"""

import json
import logging
import uuid
from collections.abc import Callable
from typing import Any

from mote import contract

from motekit.hub.store import Store

LOGGER = logging.getLogger(__name__)
# Clocks of boards and hub differ a little, and the last readings were on their way.
MARGIN_S = 5


class Refill:
    """Calls `say(topic, payload)` with a `replay` command when a device comes, until it obeys.

    `store` tells what is there at the start; a device that it does not know sends all that it has.
    """

    def __init__(self, store: Store, say: Callable[[str, bytes], None]) -> None:
        self._last_ns = store.last_by_device()
        self._say = say
        # Device -> the nonce of its command; a copy of one is obeyed once.
        self._asked: dict[str, str] = {}
        self._obeyed: set[str] = set()

    def came_online(self, device: str) -> None:
        if device in self._obeyed:
            return
        since = max(0, self._last_ns.get(device, 0) // 1_000_000_000 - MARGIN_S)
        nonce = self._asked.setdefault(device, uuid.uuid4().hex)
        command = {"cmd": "replay", "nonce": nonce, "since": since}
        LOGGER.debug("asking %s for its readings since %d", device, since)
        self._say(contract.device_topic(device, "cmd"), json.dumps(command).encode())

    def answered(self, device: str, answer: dict[str, Any]) -> None:
        """An answer of a device to somebody: in safe mode it refuses, and is asked again later."""
        if answer.get("ok") is True and answer.get("nonce") == self._asked.get(device):
            self._obeyed.add(device)
