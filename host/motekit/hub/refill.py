"""After a start, asks every device for what may be missing: boards keep what they have sent.

What a computer had not brought to its disk when it lost its power, or what a backup did not have,
comes again as backfill, with its own times. A hub that was only killed has what it acknowledged.
"""

import json
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

from mote import contract

from motekit import payloads

LOGGER = logging.getLogger(__name__)
# Clocks of boards and hub differ a little, and the last readings were on their way.
MARGIN_S = 5
# A board repeats its status; one that refused is asked again after this time at the earliest.
ASK_AGAIN_S = 60.0


class Refill:
    """Calls `say(topic, payload)` with a `replay` command when a device comes, until it obeys.

    `last_ns` has the time of the newest reading of each device that is stored at the start; a
    device that is not in it sends all that it has.
    """

    def __init__(self, last_ns: dict[str, int], say: Callable[[str, bytes], None]) -> None:
        self._last_ns = last_ns
        self._say = say
        # Device -> the nonce of its command; a copy of one is obeyed once.
        self._asked: dict[str, str] = {}
        # Device -> when it was asked last (monotonic seconds).
        self._asked_at: dict[str, float] = {}
        self._obeyed: set[str] = set()

    def came_online(self, device: str, was_offline: bool) -> None:
        """Ask the device, unless it has obeyed, or was asked just now and has only said again that
        it is online.
        """
        now = time.monotonic()
        asked_at = self._asked_at.get(device, -ASK_AGAIN_S)
        if device in self._obeyed or (not was_offline and now - asked_at < ASK_AGAIN_S):
            return
        self._asked_at[device] = now
        since = max(0, self._last_ns.get(device, 0) // payloads.SECOND_NS - MARGIN_S)
        nonce = self._asked.setdefault(device, uuid.uuid4().hex)
        command = {"cmd": "replay", "nonce": nonce, "since": since}
        LOGGER.debug("asking %s for its readings since %d", device, since)
        self._say(contract.device_topic(device, "cmd"), json.dumps(command).encode())

    def answered(self, device: str, answer: dict[str, Any]) -> None:
        """An answer of a device to somebody: in safe mode it refuses, and is asked again later."""
        if answer.get("ok") is True and answer.get("nonce") == self._asked.get(device):
            self._obeyed.add(device)
