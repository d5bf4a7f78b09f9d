"""What the queue promises about a reading."""

import asyncio

from mote.mqtt import queue
from mote.mqtt.queue import Queue


class Broker:
    """Stands for a client: acknowledges when the test says so."""

    def __init__(self):
        self.sent = []
        self.acknowledge = asyncio.Event()
        self.closed = asyncio.Event()

    async def publish(self, topic, payload, retain=False, qos=0):
        self.sent.append(payload)
        await self.acknowledge.wait()
        if self.closed.is_set():
            raise OSError(128)

    def close(self, reason=None):
        self.closed.set()


async def delivering(owed, broker):
    task = asyncio.create_task(owed.deliver(broker))
    for _ in range(30):
        await asyncio.sleep_ms(0)
    return task


async def test_a_reading_is_owed_until_it_is_acknowledged():
    owed, broker = Queue(60_000), Broker()
    owed.put("t", "1")
    task = await delivering(owed, broker)
    assert broker.sent == ["1"] and len(owed) == 1
    broker.acknowledge.set()
    await asyncio.sleep_ms(10)
    assert len(owed) == 0 and owed.lost == 0
    task.cancel()


async def test_what_a_broken_connection_left_unacknowledged_is_sent_again_in_order():
    owed, first, second = Queue(60_000), Broker(), Broker()
    for i in range(12):
        owed.put("t", str(i))
    task = await delivering(owed, first)
    assert len(first.sent) == queue.WINDOW, first.sent
    first.close()
    first.acknowledge.set()
    await task
    assert len(owed) == 12
    second.acknowledge.set()
    task = await delivering(owed, second)
    await asyncio.sleep_ms(10)
    assert second.sent == [str(i) for i in range(12)], second.sent
    assert len(owed) == 0 and owed.lost == 0
    task.cancel()


async def test_a_cancelled_delivery_owes_everything_still():
    owed, broker = Queue(60_000), Broker()
    owed.put("t", "1")
    task = await delivering(owed, broker)
    task.cancel()
    await asyncio.sleep_ms(10)
    assert len(owed) == 1
    broker.acknowledge.set()
    await asyncio.sleep_ms(10)
    assert len(owed) == 1


async def test_a_reading_that_waited_too_long_is_lost_and_counted():
    owed, broker = Queue(20), Broker()
    owed.put("t", "old")
    await asyncio.sleep_ms(50)
    owed.put("t", "new")
    broker.acknowledge.set()
    task = await delivering(owed, broker)
    await asyncio.sleep_ms(10)
    assert broker.sent == ["new"] and owed.lost == 1, (broker.sent, owed.lost)
    task.cancel()


async def test_the_queue_does_not_grow_and_the_oldest_goes_first():
    owed, broker = Queue(60_000), Broker()
    for i in range(queue.LIMIT + 3):
        owed.put("t", str(i))
    assert len(owed) == queue.LIMIT and owed.lost == 3
    await delivering(owed, broker)
    assert broker.sent[0] == "3"
