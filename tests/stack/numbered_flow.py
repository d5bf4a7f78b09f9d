"""Readings whose value is their number, and an oracle that knows which ones have to be stored."""

import threading
import time
from collections.abc import Callable

from running_stack import RunningStack, eventually

# Devices publish side by side; a kill finds some of their messages at every place of the way.
DEVICES = 4
DRAIN_S = 400


class Numbered:
    """Publishes `count` readings at QoS 1, `per_second`, and then asks for every one of them."""

    def __init__(self, stack: RunningStack, name: str, count: int, per_second: int) -> None:
        self._stack = stack
        self._name = name
        self._share = count // DEVICES
        self._pause_s = DEVICES / per_second
        stack.passwords(*(self._device(n) for n in range(DEVICES)))
        self._clients = [stack.client(self._device(n)) for n in range(DEVICES)]
        self._acknowledged = 0
        self._lock = threading.Lock()
        for client in self._clients:
            client.on_publish = self._count

    @property
    def acknowledged(self) -> int:
        """How many the broker has taken."""
        return self._acknowledged

    def flow_while(self, *disturbances: Callable[[], None]) -> None:
        """Publish all, disturbing at even distances, and wait until all are acknowledged.

        Before each disturbance everything is at work again.
        """
        threads = [threading.Thread(target=self._publish, args=(n,)) for n in range(DEVICES)]
        for thread in threads:
            thread.start()
        step = DEVICES * self._share // (len(disturbances) + 1)
        for number, disturb in enumerate(disturbances, 1):
            eventually(lambda due=number * step: self._acknowledged >= due, DRAIN_S)
            # One fault at a time: what came before has passed the whole way.
            passed = self._acknowledged
            eventually(lambda due=passed: len(self._stored()) >= due, DRAIN_S)
            disturb()
        for thread in threads:
            thread.join()
        eventually(lambda: self._acknowledged >= DEVICES * self._share, DRAIN_S)

    def lost(self) -> set[tuple[str, int]]:
        """What was acknowledged and is not stored, once nothing more comes in."""
        wanted = {(self._device(n), k) for n in range(DEVICES) for k in range(self._share)}
        until = time.monotonic() + DRAIN_S
        missing = wanted
        while missing and time.monotonic() < until:
            missing = wanted - self._stored()
            time.sleep(0.5)
        return missing

    def copies(self) -> int:
        """How many are stored more than once: allowed, at least once is the promise."""
        rows = self._stack.rows(f"SELECT count(value) FROM sensors WHERE metric='{self._name}'")
        return rows[0]["count"] - len(self._stored())

    def _stored(self) -> set[tuple[str, int]]:
        query = f"SELECT distinct(value) FROM sensors WHERE metric='{self._name}' GROUP BY device"
        return {(row["device"], int(row["distinct"])) for row in self._stack.rows(query)}

    def _device(self, number: int) -> str:
        return f"{self._name}-{number}"

    def _publish(self, number: int) -> None:
        device = self._device(number)
        due = time.monotonic()
        for value in range(self._share):
            self._clients[number].publish(f"sensors/{device}/{self._name}", str(value), qos=1)
            due += self._pause_s
            time.sleep(max(0, due - time.monotonic()))

    def _count(self, *_details: object) -> None:
        with self._lock:
            self._acknowledged += 1
