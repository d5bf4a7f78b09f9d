"""A terminal for `mpremote repl`, typed at and read by a test."""

import asyncio
import os
import pty
import termios


class Terminal:
    """A terminal with `mpremote repl` in it."""

    def __init__(self) -> None:
        self.outer, self.end = pty.openpty()
        os.set_blocking(self.outer, False)
        self.shown = b""

    async def wait_until_raw(self) -> None:
        """Wait until keys are passed on as they are, and so Ctrl-C is one."""
        async with asyncio.timeout(120):
            while termios.tcgetattr(self.end)[3] & termios.ISIG:
                await asyncio.sleep(0.01)

    async def wait_for(self, text: bytes) -> None:
        """Wait until it shows `text`, which is then forgotten with all that was before."""

        async def watch() -> None:
            while text not in self.shown:
                readable = asyncio.Event()
                asyncio.get_running_loop().add_reader(self.outer, readable.set)
                await readable.wait()
                asyncio.get_running_loop().remove_reader(self.outer)
                self.shown += os.read(self.outer, 4096)

        try:
            await asyncio.wait_for(watch(), 120)
        except TimeoutError:
            raise AssertionError(f"no {text!r} in {self.shown!r}") from None
        self.shown = self.shown.split(text, 1)[1]
