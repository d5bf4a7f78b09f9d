"""The station of a board's radio: association, its reasons, its retries, its address."""

import asyncio
from typing import TYPE_CHECKING

from motesim.air import AccessPoint, Status
from motesim.errors import Silicon

if TYPE_CHECKING:
    from motesim.network import BoardNetwork
    from motesim.radio import Radio

# Measured on the official image (field measurements, ESP32_GENERIC 1.27): seconds.
SCAN_S = 2.5
NOT_FOUND_S = 2.5
ASSOCIATE_S = 0.5
WRONG_PASSWORD_S = 3.0
BEACON_TIMEOUT_S = 6.0


class Station:
    """`WLAN(STA_IF)`: asks, retries for ever unless told otherwise, forgets nothing by itself."""

    def __init__(self, radio: "Radio", network: "BoardNetwork") -> None:
        self._radio = radio
        self._network = network
        self._wanted = False
        self._name = b""
        self._key = b""
        self._task: asyncio.Task[None] | None = None
        self._reason: Status | None = None
        self.active = False
        self.reconnects = -1
        self.access_point: AccessPoint | None = None
        self.address: tuple[str, str, str, str] | None = None
        self.static: tuple[str, str, str, str] | None = None

    @property
    def joined(self) -> bool:
        return self.access_point is not None and self.address is not None

    def activate(self, active: bool) -> None:
        self.active = active
        if not active:
            self.stop()

    def connect(self, name: bytes | None, key: bytes | None) -> None:
        if not self.active:
            raise Silicon("OSError", "Wifi Not Started")
        if self._task and not self._task.done():
            raise Silicon("OSError", "Wifi Internal State Error")
        if name is not None:
            self._name, self._key = name, key or b""
        self._wanted = True
        self._reason = None
        self._task = asyncio.create_task(self._associate())

    async def disconnect(self) -> None:
        if not self.active:
            raise Silicon("OSError", "Wifi Not Started")
        self._wanted = False
        if self._task:
            self._task.cancel()
            self._task = None
        await self._leave()
        self._reason = None

    def stop(self) -> None:
        """The radio is off or the chip resets: no word to anyone."""
        self._wanted = False
        if self._task:
            self._task.cancel()
            self._task = None
        self.access_point = None
        self.address = None
        self._reason = None

    def status(self) -> int:
        if self.joined:
            return Status.GOT_IP
        if self._reason is not None:
            return self._reason
        return Status.CONNECTING if self._wanted else Status.IDLE

    async def scan(self) -> list[list[object]]:
        if not self.active:
            raise Silicon("OSError", "STA must be active")
        if self._task and not self._task.done() and not self.joined:
            raise Silicon("OSError", "Wifi Invalid Argument")
        await asyncio.sleep(SCAN_S)
        return [ap.scan_entry() for ap in self._radio.air.scan()]

    async def lost(self, ap: AccessPoint) -> None:
        """The network went away or changed its key: the beacon time-out notices after seconds."""
        if self.access_point is ap:
            await asyncio.sleep(BEACON_TIMEOUT_S)
            if self.access_point is ap and (not ap.up or ap.password.encode() != self._key):
                await self._leave()
                self._reason = Status.BEACON_TIMEOUT
                self._retry(0)

    async def _associate(self, attempt: int = 0) -> None:
        ap = self._radio.air.find(self._name)
        if ap is None:
            await asyncio.sleep(NOT_FOUND_S)
            return self._failed(Status.NO_AP_FOUND, attempt)
        await self._radio.follow(ap.channel)
        await asyncio.sleep(ASSOCIATE_S)
        if ap.password.encode() != self._key and (ap.password or self._key):
            await asyncio.sleep(WRONG_PASSWORD_S)
            # The same fault shows in several ways, as on silicon.
            reasons = (Status.WRONG_PASSWORD, Status.HANDSHAKE_TIMEOUT)
            return self._failed(reasons[attempt % 2], attempt)
        self.access_point = ap
        self._reason = None
        self.address = await self._network.station_up(ap, self.static)
        return None

    def _failed(self, reason: Status, attempt: int) -> None:
        self._reason = reason
        self._retry(attempt + 1)

    def _retry(self, attempt: int) -> None:
        if self._wanted and (self.reconnects < 0 or attempt <= self.reconnects):
            self._task = asyncio.create_task(self._associate(attempt))

    async def _leave(self) -> None:
        if self.access_point:
            self.access_point = None
            self.address = None
            await self._network.station_down()
