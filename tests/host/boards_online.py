"""Virtual boards on a real mosquitto, and `mote` that commands them."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from house_of_one import Home, home
from mote import contract
from motesim import BoardSpec
from terminal import MOTE


@dataclass
class Boards:
    """Who is there, and how they are commanded."""

    place: Home
    folder: Path

    def options(self) -> tuple[str, ...]:
        """Whoever runs the tests may have a hub of its own."""
        return ("--server", f"127.0.0.1:{self.place.broker.port}", "--data", str(self.folder))

    async def mote(self, *arguments: str, timeout: float = 400) -> subprocess.CompletedProcess[str]:
        """The command at work beside the boards; nobody is at its terminal."""
        return await asyncio.to_thread(
            subprocess.run,
            [MOTE, *arguments, *self.options()],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, "NO_COLOR": "1", "XDG_DATA_HOME": str(self.folder)},
        )

    async def json(self, *arguments: str) -> Any:
        done = await self.mote(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@asynccontextmanager
async def boards(
    folder: Path, *names: str, tree: Path | None = None, options: str = "allow_anonymous true"
) -> AsyncIterator[Boards]:
    """Boards of these names, online."""
    async with home(folder, options) as place:
        for name in names:
            document = {
                "version": 1, "id": name, "interval": 1, "mqtt": {"host": "mqtt.local"},
                "wifi": [{"ssid": place.wifi.ssid, "password": place.wifi.password}],
                "portal_password": "portal secret",
            }  # fmt: skip
            board = await place.world.add_board(BoardSpec(name, config=document, firmware=tree))
            await board.power_on()
            place.boards.append(board)
        for board in place.boards:
            await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        yield Boards(place, folder)
