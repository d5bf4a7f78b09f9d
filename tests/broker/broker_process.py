"""A broker in a process of its own, until it is terminated; prints its port as JSON."""

import asyncio
import json
import logging
import signal
import socket

from motekit.broker.memory import MemoryBackend
from motekit.broker.server import Server


async def main() -> None:
    logging.basicConfig()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = Server(MemoryBackend(), [listener])
    await server.start()
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    await stopped.wait()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main())
