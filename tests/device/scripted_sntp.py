"""A time server in the same loop, which a test makes as bad as it likes."""

import asyncio
import struct

from mote.clock import sntp
from ports import bound

UNIX_1900 = 2_208_988_800
# 2026-03-04 05:06:07.250
NOW_MS = 1_772_600_767_250
# 2036-02-07 06:28:16
ERA_MS = 2_085_978_496_000


def stamp(unix_ms):
    """The NTP timestamp of a time, in whichever era it is."""
    seconds = (unix_ms // 1000 + UNIX_1900) & 0xFFFFFFFF
    return struct.pack("!II", seconds, (unix_ms % 1000 << 32) // 1000)


def answer(
    question, received=NOW_MS, sent=NOW_MS, first=0x24, stratum=2, origin=None, name=b"GPS\0"
):
    origin = question[40:48] if origin is None else origin
    sent = stamp(sent) if sent is not None else bytes(8)
    head = struct.pack("!BBBbII4s", first, stratum, 6, -20, 0, 0, name)
    return head + stamp(NOW_MS - 60_000) + origin + stamp(received) + sent


class Server:
    """Sends what `script(question)` yields: a packet, or a number of ms to wait before the next."""

    def __init__(self, script):
        self._script = script
        self.questions = []

    async def __aenter__(self):
        self._sock, port = bound()
        self._before, sntp.PORT = sntp.PORT, port
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *exc):
        sntp.PORT = self._before
        self._task.cancel()
        self._sock.close()

    async def _serve(self):
        while True:
            try:
                question, self.sender = self._sock.recvfrom(200)
            except OSError:
                await asyncio.sleep_ms(1)
                continue
            self.questions.append(question)
            for step in self._script(question):
                if isinstance(step, int):
                    await asyncio.sleep_ms(step)
                else:
                    self._sock.sendto(step, self.sender)
