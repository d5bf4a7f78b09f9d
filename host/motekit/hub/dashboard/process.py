"""Runs the dashboard in a process of its own, so that no page delays a board.

The child gets the listening socket, its settings as the first line of its standard input, and then
updates (`stream`). It answers one line, `ready`, and ends when its standard input ends, which is
also what it sees of a hub that was killed.
"""

import asyncio
import contextlib
import json
import logging
import socket
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from motekit.hub.dashboard.stream import Pending
from motekit.hub.queries import Device, Reading
from motekit.supervision import Backoff, Supervisor

LOGGER = logging.getLogger(__name__)
SEND_EVERY_S = 0.25
# What the pipe does not take waits in memory, up to so many bytes.
UNSENT_MAX = 4 * 2**20
START_S = 180.0
STOP_S = 5.0
RESTART_S = 1.0
RESTART_MAX_S = 60.0
REMEDY = "Start the hub without it: mote hub --no-dashboard"


class DashboardError(Exception):
    """The dashboard did not start; the text says what is known."""


@dataclass(frozen=True)
class Settings:
    """What the dashboard needs to know of its hub; secrets stay in files in `data`."""

    data: str
    http_host: str
    http_port: int
    mqtt_host: str
    mqtt_port: int
    # The number of the listening socket's file descriptor.
    listener: int
    tls_port: int = 0
    # Whether boards may connect without TLS.
    has_plain_mqtt: bool = True
    # Further names of this computer.
    allowed_hosts: list[str] = field(default_factory=list)
    # Files: the certificate and key to serve with, and the authority for browsers and boards.
    certificate: str = ""
    key: str = ""
    ca: str = ""


class DashboardProcess:
    """The dashboard of a hub, started again with a growing pause when it ends by itself.

    The hub keeps `listener` open: whoever connects while the dashboard restarts waits for it.
    """

    def __init__(self, listener: socket.socket, settings: Settings) -> None:
        self._listener = listener
        self._settings = settings
        self._pending = Pending()
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor = Supervisor()

    @property
    def pid(self) -> int | None:
        """The process number, while there is one."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start it and wait until it answers. Raises DashboardError when it ends instead."""
        await self._launch()
        self._supervisor.keep("the updates of the dashboard", self._send)
        self._supervisor.keep("the restarts of the dashboard", self._keep_running)

    async def stop(self) -> None:
        """End it; whatever waits to be sent is dropped."""
        await self._supervisor.stop()
        if self._process:
            await self._end(self._process)
        self._listener.close()

    def readings_committed(self, readings: Iterable[Reading]) -> None:
        """Tell it of readings that are in the store."""
        self._pending.add_readings(readings)

    def device_changed(self, device: Device) -> None:
        """Tell it of a device whose status or info changed."""
        self._pending.add_device(device)

    def storage_changed(self, problem: str) -> None:
        """Tell it why readings cannot be stored, in a sentence for people; empty when they can."""
        self._pending.storage = problem

    def dropped_changed(self, dropped: dict[str, int]) -> None:
        """Tell it how many messages clients did not get, by reason."""
        self._pending.dropped = dropped

    async def _launch(self) -> None:
        # Its own session: Ctrl-C in the terminal is for the hub, which then ends it in order. -P:
        # a file in the current folder must not stand for a module of Python.
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "motekit.hub.dashboard"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=[self._listener.fileno()],
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(asdict(self._settings)).encode() + b"\n")
        try:
            answer = await asyncio.wait_for(self._process.stdout.readline(), START_S)
        except TimeoutError:
            await self._end(self._process)
            raise DashboardError(
                f"the dashboard did not start within {START_S:.0f} s. {REMEDY}"
            ) from None
        if answer != b"ready\n":
            code = await self._process.wait()
            raise DashboardError(
                f"the dashboard could not start (exit code {code}); its messages are above. "
                f"{REMEDY}"
            )

    async def _send(self) -> None:
        while True:
            await asyncio.sleep(SEND_EVERY_S)
            pipe = self._process.stdin if self._process else None
            if pipe is None or pipe.transport.is_closing():
                # The next process begins with what is in the store.
                self._pending.drop()
            elif pipe.transport.get_write_buffer_size() > UNSENT_MAX:
                self._pending.drop()
            else:
                pipe.write(self._pending.take().encode())

    async def _keep_running(self) -> None:
        backoff = Backoff(RESTART_S, RESTART_MAX_S)
        while True:
            assert self._process
            code = await self._process.wait()
            pause_s = backoff.pause_s()
            LOGGER.error(
                "the dashboard ended (exit code %s); boards are not affected. "
                "It starts again in %.0f s",
                code,
                pause_s,
            )
            await asyncio.sleep(pause_s)
            with contextlib.suppress(DashboardError):
                # It failed again: the next turn says so.
                await self._launch()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
