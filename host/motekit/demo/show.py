"""The demo from its first line to its last: starts everything, tells the person, judges."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
import tempfile
import time
import webbrowser
from dataclasses import dataclass
from pathlib import Path

from mote import contract
from motesim import AccessPoint, VirtualBoard, World

from motekit.demo import boards
from motekit.demo.portal_visitor import PortalError, fill
from motekit.exits import complain
from motekit.hub import Hub
from motekit.hub.ingest import Commit
from motekit.hub.store import Reading
from motekit.supervision import logged
from motekit.terminal import echo, echo_address

SERVER_ADDRESS = "192.168.50.10"
DASHBOARD_PORT = 8080
NEW_DEVICE = "windowsill"
# Until the new board publishes: it starts, its portal is filled in and tries the entries, and it
# restarts. 28 s on an idle machine.
NEW_DEVICE_S = 40
NEIGHBOURS = (("Café Mokka", -71), ("FRITZ!Box 7590 AX", -79))


@dataclass(frozen=True)
class Seen:
    """How many readings of each board were stored, and when its first came, in seconds.

    `expected` are the boards that had the time to publish.
    """

    stored: dict[str, int]
    first_s: dict[str, float]
    expected: list[str]

    @property
    def missing(self) -> list[str]:
        """The expected boards of which nothing was stored."""
        return [name for name in self.expected if name not in self.stored]

    @property
    def complete(self) -> bool:
        """Whether readings of all expected boards were stored."""
        return not self.missing


class Show:
    """One run of the demo: `seconds` from when all boards run, or with 0 until Ctrl-C.

    With `aside` all is told on standard error.
    """

    def __init__(self, seconds: int, browser: bool, *, aside: bool = False) -> None:
        self._seconds = seconds
        self._aside = aside
        self._browser = browser and not seconds
        self._began = time.monotonic()
        self._first_s: dict[str, float] = {}
        self._stopped = asyncio.Event()

    def expected_names(self) -> list[str]:
        """Return the names of the boards that have the time to publish."""
        hurried = 0 < self._seconds < NEW_DEVICE_S
        return [*boards.NAMES, *([] if hurried else [NEW_DEVICE])]

    async def run(self) -> Seen:
        """Show it, and tell what was stored."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopped.set)
        # Two demos do not mix: each has a folder of its own.
        with tempfile.TemporaryDirectory(prefix="mote-demo-") as data:
            hub = Hub(
                Path(data),
                mqtt_port=_free_or_any(contract.MQTT_PORT),
                http_port=_free_or_any(DASHBOARD_PORT),
            )
            hub.ingest.commit_listeners.append(self._committed)
            async with World() as world:
                await hub.start()
                try:
                    fourth, home = await self._furnish(world, hub)
                    await self._tell(hub, fourth, home)
                    await self._wait(fourth, home)
                finally:
                    await hub.stop()
            return self._seen(hub)

    async def _furnish(self, world: World, hub: Hub) -> tuple[VirtualBoard, AccessPoint]:
        home = await world.add_access_point(AccessPoint("Mote Demo", secrets.token_hex(4)))
        for ssid, rssi in NEIGHBOURS:
            await world.add_access_point(AccessPoint(ssid, secrets.token_hex(8), rssi=rssi))
        target = {contract.MQTT_PORT: ("127.0.0.1", hub.mqtt_port)}
        world.add_host(boards.SERVER, SERVER_ADDRESS, target)
        made = [await world.add_board(spec) for spec in boards.configured(home)]
        fourth = await world.add_board(boards.unboxed())
        for board in (*made, fourth):
            await board.power_on()
        return fourth, home

    async def _tell(self, hub: Hub, fourth: VirtualBoard, home: AccessPoint) -> None:
        await fourth.wait_for_log(contract.LOG_SETUP, 30)
        say = self._say
        say("")
        echo_address("  Dashboard     ", hub.dashboard_url, err=self._aside)
        note = "   (the fourth board)"
        echo_address("  Setup portal  ", fourth.portal_url, note, err=self._aside)
        say("")
        say("  Three virtual boards publish. Set the fourth up in its portal, as with a phone:")
        say(f"    Device ID      {NEW_DEVICE}, or what you like")
        say(f"    WiFi           {home.ssid}, password {home.password}")
        say(f"    MQTT server    {boards.SERVER}")
        say("  Seconds later it is on the dashboard.")
        say("")
        if not self._seconds:
            say("  Ctrl-C ends the demo.")
        elif NEW_DEVICE not in self.expected_names():
            say(
                f"  Setting up the fourth board takes up to {NEW_DEVICE_S} s: in {self._seconds} s "
                "only the other three are expected."
            )
        sys.stdout.flush()
        if self._browser and _has_browser():
            await asyncio.to_thread(webbrowser.open, hub.dashboard_url)

    async def _wait(self, fourth: VirtualBoard, home: AccessPoint) -> None:
        if not self._seconds:
            await self._stopped.wait()
            return
        visit = asyncio.create_task(logged("the visit of the portal", self._set_up(fourth, home)))
        # The start before is not counted: it may have to compile the firmware.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), self._seconds)
        visit.cancel()

    async def _set_up(self, fourth: VirtualBoard, home: AccessPoint) -> None:
        entries = {
            "id": NEW_DEVICE,
            "ssid": home.ssid,
            "password": home.password,
            "host": boards.SERVER,
            "interval": str(boards.INTERVAL_S),
        }
        try:
            await asyncio.to_thread(fill, fourth.portal_url, entries)
            self._say(f"  {self._after()} the portal was filled in; the fourth board restarts")
        except PortalError as error:
            complain(f"the portal did not accept the entries: {error}")

    def _committed(self, commit: Commit) -> None:
        for reading in commit.readings:
            self._reading(reading)

    def _reading(self, reading: Reading) -> None:
        if reading.device not in self._first_s:
            first = "" if self._first_s else ", the first reading"
            self._first_s[reading.device] = round(time.monotonic() - self._began, 2)
            self._say(f"  {self._after()} {reading.device} publishes{first}")

    def _seen(self, hub: Hub) -> Seen:
        # The store is closed by now: what counts is what a new one finds in its file.
        stored = _stored(hub)
        count = sum(stored.values())
        self._say("", f"  {count} readings stored, of {len(stored)} boards: {', '.join(stored)}")
        return Seen(stored, self._first_s, self.expected_names())

    def _say(self, *lines: str) -> None:
        echo(*lines, err=self._aside)

    def _after(self) -> str:
        return f"{time.monotonic() - self._began:5.1f} s"


def _stored(hub: Hub) -> dict[str, int]:
    from motekit.hub.store import Store

    store = Store(hub.data / "readings.db")
    try:
        return store.count_by_device()
    finally:
        store.close()


def _free_or_any(port: int) -> int:
    """`port` if nobody has it, else 0, which takes any."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
        return port


def _has_browser() -> bool:
    """True on a desktop: a text browser in a terminal is not what anyone wants here."""
    return sys.platform == "darwin" or any(
        os.environ.get(v) for v in ("DISPLAY", "WAYLAND_DISPLAY")
    )
