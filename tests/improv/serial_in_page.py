"""A serial port in a page of Chromium: Web Serial in the page, the port of a board behind it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from motesim import VirtualBoard
from playwright.async_api import Page

# Chromium without a screen has no chooser for ports: here the person has picked one.
PICKED = """
class BoardPort extends EventTarget {
  async open() {
    this.readable = new ReadableStream({ start: (controller) => (this.source = controller) });
    this.writable = new WritableStream({ write: (bytes) => toBoard([...bytes]) });
    await opened();
  }
  async close() { this.readable = this.writable = null; }
  getInfo() { return {}; }
}
window.board = new BoardPort();
navigator.serial.requestPort = async () => window.board;
"""
SAID = "bytes => board.readable && board.source.enqueue(new Uint8Array(bytes))"


@asynccontextmanager
async def plugged_in(page: Page, board: VirtualBoard) -> AsyncIterator[None]:
    """From the next page on, whoever asks for a serial port gets that of `board`."""
    end = os.open(board.serial_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    loop = asyncio.get_running_loop()
    said: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        with contextlib.suppress(OSError):
            said.put_nowait(os.read(end, 4096))

    async def pass_on() -> None:
        while True:
            await page.evaluate(SAID, list(await said.get()))

    await page.expose_function("opened", lambda: loop.add_reader(end, read))
    await page.expose_function("toBoard", lambda data: os.write(end, bytes(data)))
    await page.add_init_script(PICKED)
    passing = asyncio.create_task(pass_on())
    try:
        yield
    finally:
        passing.cancel()
        loop.remove_reader(end)
        os.close(end)
