"""Wokwi's simulation API, spoken by a server on this machine with virtual boards behind it.

As `wokwi-client` 0.5 and `wokwi-cli` 0.26 speak it (github.com/wokwi/wokwi-cli, packages/client).
Both find it by the environment variable WOKWI_CLI_SERVER, and show it any token.
"""

import asyncio
import base64
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from halting_board import HaltingBoard, PausePoint
from motekit.wokwi.located import ProjectError
from motekit.wokwi.project import DIAGRAM, FLASHER_ARGS, TOML
from motekit.wokwi.rig import Rig
from motesim import VirtualBoard
from websockets.asyncio.server import Request, Response, ServerConnection, serve

VERSION = "1.0.0-stand-in"
# The image of a board is one message, in base64.
LARGEST = 64 << 20
Params = dict[str, Any]


class Refused(Exception):
    """The answer to a command is an error with this text."""


@dataclass
class Cloud:
    """Where the server is, and what its clients asked of it, command by command."""

    url: str
    asked: list[str] = field(default_factory=list)
    boards: list[VirtualBoard] = field(default_factory=list)

    @property
    def reached(self) -> dict[str, str]:
        """The environment in which a client finds it, with a token."""
        return {"WOKWI_CLI_SERVER": self.url, "WOKWI_CLI_TOKEN": "made up"}


class Session:
    """One client, its files and its board."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud, self._folder = cloud, folder
        self.out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.board = HaltingBoard(self._event)
        self._hears = False

    @property
    def rig(self) -> Rig:
        if not self.board.rig:
            raise Refused("there is no simulation: begin with sim:start")
        return self.board.rig

    async def answer(self, message: dict[str, Any]) -> None:
        command, params = message["command"], message.get("params") or {}
        self._cloud.asked.append(command)
        try:
            result, error = await self._do(command, params), False
        except (Refused, ProjectError, KeyError) as problem:
            result, error = {"code": 1, "message": f"{command}: {problem}"}, True
        told = {"type": "response", "command": command, "id": message.get("id")}
        self.out.put_nowait(told | {"result": result, "error": error})

    def _event(self, event: str, payload: Params) -> None:
        if event != "serial-monitor:data" or self._hears:
            at = {"nanos": self.board.nanos, "paused": not self.board.running}
            self.out.put_nowait({"type": "event", "event": event, "payload": payload} | at)

    async def _do(self, command: str, params: Params) -> Params:
        match command:
            case "file:upload":
                self._upload(params)
            case "sim:start":
                await self._start(params)
            case "sim:restart":
                await self._begin(pause=params.get("pause", False))
            case "sim:status":
                return {"running": self.board.running, "nanos": self.board.nanos}
            case "pause-point:add":
                self.board.halt_at(params["id"], self._pause_point(params))
            case "pause-point:remove":
                return {"removed": self.board.forget(params["id"])}
            case "serial-monitor:listen":
                self._hears = True
            case _ if self.rig:
                return await self._do_to_board(command, params)
        return {}

    async def _do_to_board(self, command: str, params: Params) -> Params:
        """Commands that need a simulation."""
        match command:
            case "sim:pause":
                self.board.pause()
            case "sim:resume":
                await self.board.resume(params.get("pauseAfter"))
            case "serial-monitor:write":
                await self.rig.port.write(bytes(params["bytes"]))
            case "control:set":
                part, control = params["part"], params["control"]
                if (part, control) not in self.rig.circuit.controls:
                    raise Refused(f"{part} has no control {control}")
                await self.rig.turn(part, control, params["value"])
                self.board.look_at_pins()
            case "pin:read":
                level = self.rig.level(params["part"], params["pin"])
                return {"pin": params["pin"], "value": level, "voltage": level * 3.3}
            case "pin:listen":
                self.board.watch(params["part"], params["pin"], listen=params["listen"])
            case "framebuffer:read":
                raise Refused(f"{params['id']} has no framebuffer")
            case _:
                raise Refused("unknown command")
        return {}

    def _upload(self, params: Params) -> None:
        name = params["name"]
        if Path(name).name != name:
            raise Refused(f"{name} is no name of a file")
        text = params.get("text")
        data = text.encode() if text is not None else base64.b64decode(params["binary"])
        (self._folder / name).write_bytes(data)

    async def _start(self, params: Params) -> None:
        """The uploaded files become a project, which `mote sim test` would run."""
        firmware = params["firmware"]
        if isinstance(firmware, list):
            sections = {hex(section["offset"]): section["file"] for section in firmware}
            firmware = FLASHER_ARGS
            (self._folder / firmware).write_text(json.dumps({"flash_files": sections}))
        (self._folder / TOML).write_text(f"[wokwi]\nversion = 1\nfirmware = {firmware!r}\n")
        if not (self._folder / DIAGRAM).exists():
            raise Refused(f"{DIAGRAM} was not uploaded")
        await self._begin(pause=params.get("pause", False))

    async def _begin(self, *, pause: bool) -> None:
        await self.board.set_up(self._folder)
        self._cloud.boards.append(self.rig.board)
        if not pause:
            await self.board.resume()

    def _pause_point(self, params: Params) -> PausePoint:
        match params["type"]:
            case "serial-bytes":
                return PausePoint(wanted=bytes(params["bytes"]))
            case "time-relative":
                return PausePoint(self.board.nanos + int(params["nanos"]))
            case "time-absolute":
                return PausePoint(int(params["nanos"]))
        raise Refused(f"unknown pause point: {params['type']}")


@asynccontextmanager
async def open_cloud() -> AsyncIterator[Cloud]:
    """The server, on a free port of this machine."""

    async def meet(client: ServerConnection) -> None:
        with tempfile.TemporaryDirectory(prefix="mote-cloud-") as folder:
            session = Session(cloud, Path(folder))
            hello = {"protocolVersion": 1, "appName": "wokwi", "appVersion": VERSION}
            session.out.put_nowait({"type": "hello"} | hello)

            async def send() -> None:
                while True:
                    await client.send(json.dumps(await session.out.get()))

            sending = asyncio.create_task(send())
            try:
                async for message in client:
                    await session.answer(json.loads(message))
            finally:
                sending.cancel()
                await session.board.close()

    def admit(client: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Authorization", "").startswith("Bearer "):
            return None
        return client.respond(HTTPStatus.UNAUTHORIZED, "a token is needed\n")

    async with serve(meet, "127.0.0.1", 0, process_request=admit, max_size=LARGEST) as server:
        cloud = Cloud(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        yield cloud
