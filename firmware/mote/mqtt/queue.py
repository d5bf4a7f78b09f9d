"""Readings that are still owed to the broker, from being taken to being acknowledged.

What is promised: a reading stays here until the broker has acknowledged it, and is sent again when
the connection breaks before that. A live topic carries no time, so a reading that waited longer
than `max_age_ms` would be stored with a wrong one: it is dropped and counted as lost, and so is
the oldest when there is no more room.
"""

import asyncio
import time

LIMIT = 64
# Publishes that wait for their acknowledgements at once: a round of readings is one round trip.
WINDOW = 8


class Queue:
    """First in, first out; at most `LIMIT` readings. `lost` counts those that were dropped."""

    def __init__(self, max_age_ms):
        self.lost = 0
        self._max_age_ms = max_age_ms
        self._waiting = []
        self._in_flight = []
        self._news = asyncio.Event()

    def __len__(self):
        return len(self._waiting) + len(self._in_flight)

    def put(self, topic, payload):
        """Owe `payload` on `topic`, taken now."""
        while len(self) >= LIMIT and self._waiting:
            self._waiting.pop(0)
            self.lost += 1
        self._waiting.append(_Reading(topic, payload))
        self._news.set()

    async def deliver(self, client, delivered=lambda topic: None):
        """Send what is owed until the connection is gone; `delivered` sees each topic.

        What was not acknowledged by then is owed again, as a new message: a clean session knows
        no earlier one (MQTT 3.1.1, 3.1.2.4).
        """
        workers = [asyncio.create_task(self._send(client, delivered)) for _ in range(WINDOW)]
        try:
            await client.closed.wait()
        finally:
            for worker in workers:
                worker.cancel()
            self._waiting = self._in_flight + self._waiting
            self._in_flight = []

    async def _send(self, client, delivered):
        while True:
            reading = await self._next()
            self._in_flight.append(reading)
            try:
                await client.publish(reading.topic, reading.payload, qos=1)
            except OSError as error:
                # A broker that does not acknowledge is as good as gone.
                client.close(error)
                return
            self._in_flight.remove(reading)
            delivered(reading.topic)

    async def _next(self):
        while True:
            while self._waiting:
                reading = self._waiting.pop(0)
                if time.ticks_diff(time.ticks_ms(), reading.taken_ms) <= self._max_age_ms:
                    return reading
                self.lost += 1
            self._news.clear()
            await self._news.wait()


class _Reading:
    def __init__(self, topic, payload):
        self.topic = topic
        self.payload = payload
        self.taken_ms = time.ticks_ms()
