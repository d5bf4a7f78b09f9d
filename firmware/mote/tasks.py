"""Tasks that keep nothing of what they ran, so that its modules can be forgotten.

The queue of asyncio does not clear the links of a task that it lets go: one that sleeps for long
may point to one that ended long ago, and so to its frames, and to the modules that they are of.
"""

import asyncio


def start(coroutine):
    """A task that runs `coroutine`."""
    return asyncio.create_task(_loosely([coroutine]))


def within(seconds, coroutine):
    """`asyncio.wait_for`, to be awaited: it makes a task."""
    return asyncio.wait_for(_loosely([coroutine]), seconds)


async def _loosely(box):
    # In a box, as an argument would stay in the frame; where the awaited one stood on its stack
    # stands an exception or a result in the end.
    try:
        return await box.pop()
    finally:
        box = None
