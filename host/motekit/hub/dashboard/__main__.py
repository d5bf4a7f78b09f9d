"""The dashboard's process: started by `process` of the hub, not by people."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from motekit.hub.dashboard.process import Settings
from motekit.hub.dashboard.stream import Update

if TYPE_CHECKING:
    from motekit.hub.dashboard.app import Dashboard

# A line is at most an update with everything that the hub keeps for one.
LINE_MAX = 64 * 2**20
# Browsers send the cookies of every program of a host: some hundred kilobytes are allowed.
os.environ.setdefault("WEBSOCKETS_MAX_LINE_LENGTH", str(2**20))
END_S = 3.0


async def main() -> None:
    """Serve until standard input ends."""
    # Anything that prints would be taken for an answer to the hub.
    answers = os.dup(1)
    os.dup2(2, 1)
    updates = asyncio.StreamReader(limit=LINE_MAX)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(updates), sys.stdin)
    if not (line := await updates.readline()):
        return
    settings = Settings(**json.loads(line))
    # One place imports NiceGUI, which takes a second.
    from motekit.hub.dashboard.app import Dashboard

    dashboard = Dashboard(settings)
    listener = socket.socket(fileno=settings.listener)
    serving = asyncio.create_task(dashboard.serve(listener), name="web server")
    await dashboard.started(serving)
    # A hub that was killed meanwhile does not hear it; its pipe ends next.
    with contextlib.suppress(BrokenPipeError):
        os.write(answers, b"ready\n")
    following = asyncio.create_task(_follow(updates, dashboard), name="updates of the hub")
    await asyncio.wait([serving, following], return_when=asyncio.FIRST_COMPLETED)
    if following.done():
        dashboard.stop()
        await asyncio.wait([serving], timeout=END_S)
    for task in (serving, following):
        if task.done():
            task.result()


async def _follow(updates: asyncio.StreamReader, dashboard: "Dashboard") -> None:
    while (line := await updates.readline()).endswith(b"\n"):
        await dashboard.update(Update.decode(line))


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s dashboard: %(message)s")
    # The hub decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(main())
    # A query that still runs in a thread is not waited for.
    os._exit(0)
