"""Awaiting a socket, the way asyncio's own streams do."""

from asyncio import core


def readable(sock):
    """Await until `sock` has something to read, or somebody to accept."""
    yield core._io_queue.queue_read(sock)
