"""What is still owed to the broker.

What is promised: a reading that was taken while the broker is there is delivered at least once, also
when the connection breaks before its acknowledgement. While the board is offline the newest reading
of each metric is kept, older ones are dropped and counted: a live topic has no time of its own.
"""

import asyncio

LIMIT = 64


class Queue:
    """Messages by topic, oldest first, at most `LIMIT`; `lost` counts what was dropped."""

    def __init__(self):
        self._owed = {}
        self._order = []
        self._news = asyncio.Event()
        self.lost = 0

    def __len__(self):
        return len(self._order)

    def put(self, topic, payload):
        """Owe `payload` on `topic`; replaces what the same topic still owed."""
        if topic in self._owed:
            self._order.remove(topic)
            self.lost += 1
        elif len(self._order) >= LIMIT:
            del self._owed[self._order.pop(0)]
            self.lost += 1
        self._owed[topic] = payload
        self._order.append(topic)
        self._news.set()

    async def deliver(self, client, delivered=lambda topic: None):
        """Send what is owed, for as long as the connection lives. Raises OSError when it is gone."""
        while True:
            while not self._order:
                self._news.clear()
                await self._news.wait()
            topic = self._order[0]
            payload = self._owed[topic]
            await client.publish(topic, payload, qos=1)
            # While it was on its way a newer one may have taken its place.
            if self._owed.get(topic) is payload:
                self._order.remove(topic)
                del self._owed[topic]
            delivered(topic)
