"""`@wokwi/client`, which wokwi-cli is built on, as a client of the stand-in."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from npm_packages import installed
from wokwi_cloud import Cloud

HERE = Path(__file__).parent
# Longer than a board takes for anything; what is awaited comes sooner.
PATIENCE_S = 60
DATA, PAUSE = "serial-monitor:data", "sim:pause"


class ApiClient:
    """`await client.ask("simPause")` calls that method of the package's client.

    `events` are those that came meanwhile, in their order.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.events: list[dict[str, Any]] = []

    async def ask(self, method: str, *given: Any) -> Any:
        """What the promise is fulfilled with. Raises RuntimeError with the text of an error."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([method, *given]).encode() + b"\n")
        while "event" in (told := await self._told()):
            self.events.append(told)
        if "failed" in told:
            raise RuntimeError(told["failed"])
        return told["done"]

    async def next_of(self, *names: str) -> dict[str, Any]:
        """The next of these events, which may have come already."""
        while True:
            told = self.events.pop(0) if self.events else await self._told()
            if told["event"] in names:
                return told

    async def start(self, diagram: Path, firmware: Path) -> None:
        """As wokwi-cli with a scenario does: a simulation that is paused."""
        await self.ask("fileUpload", "diagram.json", diagram.read_text())
        listed = json.loads(firmware.read_text())
        for offset, name in listed["flash_files"].items():
            content = {"path": str(firmware.parent / name)}
            await self.ask("fileUpload", f"flash-{offset}.bin", content)
        sections = [
            {"offset": int(offset, 16), "file": f"flash-{offset}.bin"}
            for offset in listed["flash_files"]
        ]
        size = listed["flash_settings"]["flash_size"]
        await self.ask("serialMonitorListen")
        await self.ask("simStart", {"firmware": sections, "flashSize": size, "pause": True})

    async def run_to(self, text: str) -> str:
        """Let it run until it has said `text`: what it said."""
        await self.ask("waitForSerialBytes", list(text.encode()))
        said = [one for one in self.events if one["event"] == DATA]
        self.events.clear()
        return b"".join(bytes(one["payload"]["bytes"]) for one in said).decode()

    async def _told(self) -> dict[str, Any]:
        assert self._process.stdout
        line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_S)
        assert line, "the client's process has ended"
        return json.loads(line)


@asynccontextmanager
async def api_client(cloud: Cloud) -> AsyncIterator[ApiClient]:
    """A client that is connected."""
    folder = installed(HERE)
    process = await asyncio.create_subprocess_exec(
        "node", HERE / "api_client.mjs", folder,
        env=os.environ | cloud.reached,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
    )  # fmt: skip
    try:
        client = ApiClient(process)
        assert (await client.next_of("hello"))["protocolVersion"] == 1
        yield client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
