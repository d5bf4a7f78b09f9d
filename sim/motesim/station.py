"""The station of a board's radio: association, its reasons, its retries, its address."""

import asyncio
from typing import TYPE_CHECKING

from motekit.supervision import logged

from motesim.air import AccessPoint, Status
from motesim.errors import Silicon

if TYPE_CHECKING:
    from motesim.network import Address, BoardNetwork
    from motesim.radio import Radio

# Measured on the official image (ESP32_GENERIC 1.27): seconds.
SCAN_S = 2.5
NOT_FOUND_S = 2.5
ASSOCIATE_S = 0.5
WRONG_PASSWORD_S = 3.0
BEACON_TIMEOUT_S = 6.0
# Reasons that `status()` returns before it looks whether a connection is under way.
STICKY = (Status.NO_AP_FOUND, Status.WRONG_PASSWORD)


class Station:
    """`WLAN(STA_IF)` as ports/esp32/network_wlan.c keeps it.

    The reason of the last disconnection stays until there is an address again, whatever is tried
    meanwhile: it is what `status()` returns first.
    """

    def __init__(self, radio: "Radio", network: "BoardNetwork") -> None:
        self._radio = radio
        self._network = network
        self._requested = False
        self._ssid = b""
        self._key = b""
        self._task: asyncio.Task[None] | None = None
        self._reason = Status.NONE
        # As in the port: 0 retries for ever, n + 1 stands for n retries.
        self._limit = 0
        self._retries = 0
        # The driver's state machine sticks, as it does now and then on silicon: a connection begins
        # and never ends, also when it is begun anew, until the station is switched off and on.
        self.hangs = False
        self.active = False
        self.access_point: AccessPoint | None = None
        self.address: Address | None = None
        self.static: Address | None = None

    @property
    def joined(self) -> bool:
        return self.access_point is not None and self.address is not None

    @property
    def reconnects(self) -> int:
        """`config("reconnects")`: -1 is for ever."""
        return self._limit - 1

    @reconnects.setter
    def reconnects(self, count: int) -> None:
        self._limit = count + 1

    def credentials(self) -> bytes:
        """What `config("ssid")` reads: a full buffer runs on into the password behind it."""
        return self._ssid + self._key if len(self._ssid) == 32 else self._ssid

    def power_off(self) -> None:
        """The chip stops: nothing is remembered, no word to anyone."""
        self.switch(False)
        self._reason = Status.NONE
        self._limit = self._retries = 0
        self.static = None

    def switch(self, active: bool) -> None:
        self.active = active
        if not active:
            self._cancel()
            self._requested = self.hangs = False
            self.access_point = self.address = None

    def connect(self, ssid: bytes | None, key: bytes | None) -> None:
        if not self.active:
            raise Silicon("OSError", "Wifi Not Started")
        if self._task and not self._task.done():
            raise Silicon("OSError", "Wifi Internal State Error")
        if ssid is not None:
            self._ssid, self._key = ssid, key or b""
        self._requested = True
        self._retries = 0
        self._task = asyncio.create_task(logged("joining a WiFi", self._associate()))

    async def disconnect(self) -> None:
        if not self.active:
            raise Silicon("OSError", "Wifi Not Started")
        self._requested = False
        self._cancel()
        if self.access_point:
            await self._leave(Status.LEFT)

    def status(self) -> int:
        """In the order of the port's own cases."""
        if self.joined:
            return Status.GOT_IP
        if self._reason in STICKY:
            return self._reason
        if self._reason == Status.LEFT:
            return Status.IDLE
        if self._requested and (self._limit == 0 or self._retries < self._limit):
            return Status.CONNECTING
        return self._reason or Status.IDLE

    async def scan(self) -> list[list[object]]:
        if not self.active:
            raise Silicon("OSError", "STA must be active")
        if self._task and not self._task.done():
            raise Silicon("OSError", "Wifi Invalid Argument")
        await asyncio.sleep(SCAN_S)
        return [ap.scan_entry() for ap in self._radio.air.scan()]

    async def lost(self, ap: AccessPoint) -> None:
        """The network went away or changed its key: missing beacons are noticed after seconds."""
        if self.access_point is not ap or self._fits(ap):
            return
        await asyncio.sleep(BEACON_TIMEOUT_S)
        if self.access_point is ap and not self._fits(ap):
            await self._leave(Status.BEACON_TIMEOUT)
            self._disconnected(Status.BEACON_TIMEOUT)

    def _fits(self, ap: AccessPoint) -> bool:
        return ap.up and ap.password.encode() == self._key

    async def _associate(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        ap = self._radio.air.find(self._ssid)
        if ap is None:
            await asyncio.sleep(NOT_FOUND_S)
            return self._disconnected(Status.NO_AP_FOUND)
        await self._radio.follow(ap.channel)
        await asyncio.sleep(ASSOCIATE_S)
        if not self._fits(ap):
            await asyncio.sleep(WRONG_PASSWORD_S)
            # The same fault shows in several ways, as on silicon.
            wrong = (Status.WRONG_PASSWORD, Status.HANDSHAKE_TIMEOUT)
            return self._disconnected(wrong[self._retries % 2])
        self.access_point = ap
        self.address = await self._network.station_up(ap, self.static)
        if self.address:
            self._reason = Status.NONE
        return None

    def _disconnected(self, reason: Status) -> None:
        self._reason = reason
        if not self._requested:
            return
        if self._limit:
            self._retries += 1
            if self._retries >= self._limit:
                return
        self._task = asyncio.create_task(logged("joining a WiFi", self._associate()))

    async def _leave(self, reason: Status) -> None:
        self._reason = reason
        self.access_point = self.address = None
        await self._network.station_down()

    def _cancel(self) -> None:
        if self._task:
            self._task.cancel()
            self._task = None
