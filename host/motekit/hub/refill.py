"""After a start, asks every device for what may be missing: boards keep what they have sent.

What a computer had not brought to its disk when it lost its power, or what a backup did not have,
comes again as backfill, with its own times. A hub that was only killed has what it acknowledged.
"""

import json
import logging
import uuid
from collections.abc import Callable

from mote import contract

from motekit.hub.store import Store

LOGGER = logging.getLogger(__name__)
# Clocks of boards and hub differ a little, and the last readings were on their way.
MARGIN_S = 5


class Refill:
    """Calls `say(topic, payload)` with a `replay` command when a device comes for the first time.

    `store` tells what is there at the start; a device that it does not know sends all that it has.
    """

    def __init__(self, store: Store, say: Callable[[str, bytes], None]) -> None:
        self._last_ns = store.last_by_device()
        self._say = say
        self._asked: set[str] = set()

    def came_online(self, device: str) -> None:
        if device in self._asked:
            return
        self._asked.add(device)
        since = max(0, self._last_ns.get(device, 0) // 1_000_000_000 - MARGIN_S)
        command = {"cmd": "replay", "nonce": uuid.uuid4().hex, "since": since}
        LOGGER.debug("asking %s for its readings since %d", device, since)
        self._say(contract.device_topic(device, "cmd"), json.dumps(command).encode())
