"""The world's end of the wire to a chip: reads questions, has them answered, one at a time."""

import asyncio
import inspect
import json
import logging
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from motesim.errors import Silicon, Stopped

if TYPE_CHECKING:
    from motesim.board import VirtualBoard

LOGGER = logging.getLogger(__name__)
RADIO = ("wlan",)
PINS = ("pin", "adc", "i2c", "onewire", "dht", "neopixel")


class Questions:
    """Finds who answers `<subject>.<operation>`: the radio, the pins, the network or the core."""

    def __init__(self, board: "VirtualBoard") -> None:
        self._board = board

    async def serve(self, question_end: int, reply_end: int) -> None:
        """Answer until the chip's end closes. Owns both ends of the pipes."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=1 << 20)
        pipe = os.fdopen(question_end, "rb", 0)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            while line := await reader.readline():
                # Ctrl-C meets the board's own files, and not what starts them.
                may_be_interrupted = self._board.serial.booted
                number, *question = json.loads(line)
                reply = await self._answer(*question)
                if may_be_interrupted and self._board.serial.interrupted():
                    reply = ["KeyboardInterrupt", ""]
                answer = json.dumps([number, *reply]).encode()
                os.write(reply_end, b"%06d" % len(answer) + answer)
        except Stopped:
            await asyncio.Event().wait()
        except BrokenPipeError:
            pass
        finally:
            transport.close()
            os.close(reply_end)

    async def _answer(self, operation: str, arguments: list[Any]) -> list[Any]:
        try:
            result = self._who(operation)(*arguments)
            return ["ok", await self._waited(result) if inspect.isawaitable(result) else result]
        except Silicon as error:
            return [error.kind, error.value]
        except (Stopped, asyncio.CancelledError):
            raise
        except Exception:
            # A fault of the world is not one of the chip: say it aloud, and let the chip fail.
            LOGGER.exception("%s: the world cannot answer %s", self._board.name, operation)
            return ["OSError", 5]

    async def _waited(self, result: Awaitable[Any]) -> Any:
        """What is waited for, or None as soon as Ctrl-C ends the wait."""
        waiting = asyncio.ensure_future(result)
        self._board.serial.stop_waiting = waiting.cancel
        try:
            return await waiting
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current and current.cancelling():
                raise
        finally:
            self._board.serial.stop_waiting = None

    def _who(self, operation: str) -> Callable[..., Any]:
        subject = operation.split(".")[0]
        name = operation.replace(".", "_")
        board = self._board
        owner: object = board.core
        if subject in RADIO:
            owner = board.radio
        elif subject in PINS:
            owner = board.pins
        elif subject == "net":
            owner = board.network
        elif subject == "serial":
            owner = board.serial
        elif subject == "flash":
            return board.loses_power
        return getattr(owner, name)  # type: ignore[no-any-return]
