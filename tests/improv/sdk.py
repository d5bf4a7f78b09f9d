"""`improv-wifi-serial-sdk`, which installers in browsers use, at the serial port of a board."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from motesim import VirtualBoard
from npm_packages import PAGE, installed

HERE = Path(__file__).parent
READY, PROVISIONING, PROVISIONED = 2, 3, 4
# Longer than any trial; what is awaited comes sooner.
PATIENCE_S = 200


class Refused(Exception):
    """The SDK raised this."""


class Client:
    """`await client.ask("provision", ssid, password)` calls that method of the SDK's client.

    `events` are the states and errors that it was told, in their order.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.events: list[dict[str, int]] = []

    async def ask(self, method: str, *arguments: Any) -> Any:
        """What the SDK's promise is fulfilled with. Raises Refused."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([method, *arguments]).encode() + b"\n")
        while True:
            line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_S)
            assert line, "the SDK's process has ended"
            told = json.loads(line)
            if "failed" in told:
                raise Refused(told["failed"])
            if "done" in told:
                return told["done"]
            self.events.append(told)

    async def told(self, event: dict[str, int], times: int = 1) -> None:
        """Wait until it was told of this state or error so often."""
        assert self._process.stdout
        while self.events.count(event) < times:
            line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_S)
            self.events.append(json.loads(line))

    async def meet(self, timeout_s: float = 90) -> Any:
        """Find the board, as a page does that has just installed it; who it says it is."""
        return await self.ask("initialize", round(timeout_s * 1000))


@asynccontextmanager
async def client(board: VirtualBoard) -> AsyncIterator[Client]:
    """The SDK with the port of `board`, as if a person had picked it."""
    folder = installed(PAGE)
    process = await asyncio.create_subprocess_exec(
        "node", str(HERE / "web_serial.mjs"), str(folder), board.serial_path,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Client(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
