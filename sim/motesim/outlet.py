"""Bytes on their way into a terminal that takes only as many as its reader has made room for."""

import asyncio
import os
from collections.abc import Callable


class Outlet:
    """Writes to the non-blocking `fd`; tells its source through `hold` to wait, and to go on.

    With `patience_s` nobody has to listen: after so many seconds in which nothing was taken, what
    is left is lost, as on a wire, and so is what does not fit until somebody is `heard` again.
    """

    def __init__(
        self, fd: int, hold: Callable[[bool], None], patience_s: float | None = None
    ) -> None:
        self._fd = fd
        self._hold = hold
        self._patience_s = patience_s
        self._rest = b""
        self._waiting = False
        self._giving_up: asyncio.TimerHandle | None = None
        self.heard = patience_s is None
        # Set while nothing waits for room.
        self.room = asyncio.Event()
        self.room.set()

    def write(self, data: bytes) -> None:
        """Pass `data` on, now or as soon as there is room."""
        self._rest += data
        if not self._waiting:
            self._push()

    def drop(self) -> None:
        """Forget what is left."""
        self._rest = b""
        self._wait(False)

    def _push(self) -> None:
        try:
            self._rest = self._rest[os.write(self._fd, self._rest) :]
        except BlockingIOError:
            pass
        except OSError:
            # The other end is gone, and with it whoever could read.
            self._rest = b""
        self._wait(bool(self._rest) and self.heard)

    def _wait(self, waiting: bool) -> None:
        loop = asyncio.get_running_loop()
        if self._giving_up:
            self._giving_up.cancel()
            self._giving_up = None
        if waiting and self._patience_s is not None:
            self._giving_up = loop.call_later(self._patience_s, self._give_up)
        if not waiting:
            self._rest = b""
        if waiting == self._waiting:
            return
        self._waiting = waiting
        if waiting:
            self.room.clear()
            loop.add_writer(self._fd, self._push)
        else:
            self.room.set()
            loop.remove_writer(self._fd)
        self._hold(waiting)

    def _give_up(self) -> None:
        self.heard = False
        self.drop()
