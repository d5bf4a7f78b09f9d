"""The serial port of a board under test: what it says is shown, kept and waited for."""

import asyncio
import os
import tty
from collections.abc import Callable
from typing import BinaryIO


class SerialPort:
    """Opens the terminal at `path`, as any terminal program does."""

    def __init__(self, path: str, hear: Callable[[bytes], None], log: BinaryIO | None) -> None:
        self._port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._port)
        self._hear, self._log = hear, log
        self._said = bytearray()
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._port, self._read)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._port)
        os.close(self._port)

    async def wait_for(self, text: bytes) -> None:
        """Until the board has said `text`, counted from the last `wait_for` or `forget`."""
        while (at := self._said.find(text)) < 0:
            self._news.clear()
            await self._news.wait()
        del self._said[: at + len(text)]

    def forget(self) -> None:
        """What was said until now is past."""
        self._said.clear()

    async def write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._port, data) :]
            except BlockingIOError:
                await self._room()

    async def _room(self) -> None:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        loop.add_writer(self._port, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(self._port)

    def _read(self) -> None:
        try:
            data = os.read(self._port, 4096)
        except OSError:
            return
        self._said += data
        if self._log:
            self._log.write(data)
        self._hear(data)
        self._news.set()
