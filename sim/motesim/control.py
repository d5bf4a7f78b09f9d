"""The control socket of a running world: JSON lines on a Unix socket.

A request is `{"do": <name>, …}`, the answer `{"ok": true, …}` or `{"ok": false, "error": <text>}`.
"""

import asyncio
import contextlib
import fcntl
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from motesim.air import AccessPoint
from motesim.board import VirtualBoard
from motesim.errors import SimulationError
from motesim.world import World

ANSWER_S = 30


class Control:
    """Listens at `path` while its world lives."""

    def __init__(self, world: World, path: Path) -> None:
        self._world = world
        self.path = path
        self._server: asyncio.Server | None = None
        self._actions: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "list": self._list,
            "set": self._set,
            "press": self._press,
            "cut": self._cut,
            "power": self._power,
            "reset": self._reset,
            "wifi": self._wifi,
        }

    async def open(self) -> None:
        """Listen. Raises SimulationError when another world listens there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self.path.with_name(f"{self.path.name}.lock").open("w")
        try:
            # The kernel releases it when the process ends, however that is.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise SimulationError(
                "virtual boards are running already: stop them, or give these a name of their own "
                "with --world NAME; `mote sim --world NAME list` shows them then"
            ) from error
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))
        self.path.chmod(0o600)

    async def close(self) -> None:
        if self._server:
            self._server.close()
            self.path.unlink(missing_ok=True)
            self._lock.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A ValueError: a line that is longer than any request.
        with contextlib.suppress(ConnectionError, ValueError):
            while line := await reader.readline():
                answer = await self._answer(line)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            name = request["do"]
            if name not in self._actions:
                known = ", ".join(self._actions)
                raise SimulationError(f"there is no action {name}; known: {known}")
            return {"ok": True, **await self._actions[name](request)}
        except SimulationError as error:
            return {"ok": False, "error": str(error)}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return {"ok": False, "error": f"not understood: {error!r}"}

    def _board(self, request: dict[str, Any]) -> VirtualBoard:
        name = request["board"]
        if name not in self._world.boards:
            known = ", ".join(self._world.boards)
            raise SimulationError(f"there is no board {name}; there are: {known}")
        return self._world.boards[name]

    def _access_point(self, request: dict[str, Any]) -> AccessPoint:
        for ap in self._world.air.access_points:
            if request.get("ssid") in (None, ap.ssid):
                return ap
        raise SimulationError(f"there is no network {request.get('ssid')!r}")

    async def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        return {
            "boards": [
                {
                    "name": board.name,
                    "id": board.device_id,
                    "powered": board.powered,
                    "joined": board.radio.station.joined,
                    "serial": board.serial_path,
                    "portal": board.portal_url if board.radio.soft_ap.active else None,
                    "quantities": {
                        name: round(part.value(name), 3)
                        for part in board.pins.parts
                        for name in part.names
                    },
                }
                for board in self._world.boards.values()
            ],
            "wifi": [
                {"ssid": ap.ssid, "up": ap.up, "rssi": ap.rssi, "loss": ap.loss}
                for ap in self._world.air.access_points
            ],
        }

    async def _set(self, request: dict[str, Any]) -> dict[str, Any]:
        self._board(request).set(request["quantity"], float(request["value"]))
        return {}

    async def _press(self, request: dict[str, Any]) -> dict[str, Any]:
        board = self._board(request)
        button, seconds = request.get("button", "boot"), float(request.get("seconds", 0.2))
        await board.press(button, seconds)
        return {}

    async def _cut(self, request: dict[str, Any]) -> dict[str, Any]:
        await self._board(request).cut_power()
        return {}

    async def _power(self, request: dict[str, Any]) -> dict[str, Any]:
        await self._board(request).power_on()
        return {}

    async def _reset(self, request: dict[str, Any]) -> dict[str, Any]:
        await self._board(request).reset()
        return {}

    async def _wifi(self, request: dict[str, Any]) -> dict[str, Any]:
        ap = self._access_point(request)
        if "loss" in request:
            ap.loss = float(request["loss"])
        if "password" in request:
            self._world.change_password(ap, str(request["password"]))
        if "up" in request:
            self._world.switch(ap, up=bool(request["up"]))
        return {}


def ask(path: Path, **request: Any) -> dict[str, Any]:
    """Send one request to the world at `path` and return its answer.

    Raises SimulationError when no world runs there, or when it refuses.
    """
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(ANSWER_S)
        try:
            wire.connect(str(path))
        except OSError as error:
            raise SimulationError(
                "no virtual boards are running here; start some with `mote sim`"
            ) from error
        wire.sendall(json.dumps(request).encode() + b"\n")
        answer: dict[str, Any] = json.loads(wire.makefile().readline())
    if not answer.pop("ok"):
        raise SimulationError(answer["error"])
    return answer
