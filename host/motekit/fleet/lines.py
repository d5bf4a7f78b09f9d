"""The connections of a fleet: who uses which, kept open for as long as they are wanted."""

import asyncio
import contextlib
import random
from collections.abc import Iterable

from mote import contract

from motekit.fleet.connection import Connection, Login, Refused
from motekit.fleet.device import Device
from motekit.fleet.plan import Plan, PlanError
from motekit.fleet.tally import Tally, now

# Connections that are being made at the same time: a broker's backlog is about 100.
AT_THE_DOOR = 50
PAUSE_FIRST_S, PAUSE_LAST_S = 0.5, 10.0
LOOK_S = 0.02
GOODBYE_S = 5.0


class Lines:
    """One connection a device, or as many shared ones as the plan says."""

    def __init__(self, plan: Plan, devices: list[Device], tally: Tally) -> None:
        self._plan = plan
        self._devices = devices
        self._tally = tally
        self._chance = random.Random(f"{plan.seed}/lines")
        self.all = [
            Connection(plan.server, self._login(number), tally)
            for number in range(plan.connections or len(devices))
        ]
        self.of: dict[Device, Connection] = {}
        for number, device in enumerate(devices):
            self.of[device] = self.all[number % len(self.all)]
            self.of[device].devices.append(device)
        self._wanted = {connection: asyncio.Event() for connection in self.all}
        self._door = asyncio.Semaphore(AT_THE_DOOR)

    async def knock(self) -> None:
        """Open the first one, to know that the others may follow. Raises PlanError."""
        try:
            await self.all[0].open()
        except (Refused, OSError) as error:
            server = f"{self._plan.server.host}:{self._plan.server.port}"
            if isinstance(error, Refused):
                raise PlanError(
                    f"{server} does not let {self._login(0).client} in: {error}. "
                    "Check --user and MOTE_PASSWORD, or --accounts."
                ) from error
            raise PlanError(
                f"no MQTT server answers at {server} ({error or 'time-out'}). Start one with "
                "`mote hub`, or give another with --broker."
            ) from error

    async def stay(self, connection: Connection) -> None:
        """Keep it connected for as long as it is wanted; longer pauses while that fails."""
        pause = PAUSE_FIRST_S
        while True:
            await self._wanted[connection].wait()
            if not connection.up:
                try:
                    async with self._door:
                        await connection.open()
                except (Refused, OSError) as error:
                    self._tally.failures[str(error) or "no answer"] += 1
                    await asyncio.sleep(pause * self._chance.uniform(0.5, 1))
                    pause = min(2 * pause, PAUSE_LAST_S)
                    continue
            pause = PAUSE_FIRST_S
            await connection.closed.wait()

    def join(self, device: Device) -> None:
        """The device is there from now on, and measures once it has logged in."""
        device.present = True
        connection = self.of[device]
        self._wanted[connection].set()
        if connection.up:
            connection.welcome(device)

    def cut(self, device: Device) -> None:
        """The network is gone for this device; its last will is published if it has its own."""
        device.cut_off = True
        if not self._plan.connections:
            self._wanted[self.of[device]].clear()
            self.of[device].cut()

    def mend(self, device: Device) -> None:
        """The network is back: what was kept is sent as backfill."""
        device.cut_off = False
        connection = self.of[device]
        self._wanted[connection].set()
        if connection.up:
            connection.catch_up(device)
            connection.flush()

    async def switch_off(self, device: Device, goodbye: bool) -> None:
        """The device is gone, with a goodbye or without; on a shared connection always with one."""
        device.present = device.measuring = False
        if self._plan.connections:
            self.of[device].put(device.goodbye(now()))
            self.of[device].flush()
            return
        self._wanted[self.of[device]].clear()
        if goodbye:
            await self.part([device])
        else:
            self.of[device].cut()

    async def settle(
        self, connections: Iterable[Connection], patience_s: float, hurry: asyncio.Event
    ) -> None:
        """Wait until nothing is owed, or nothing was acknowledged for `patience_s`, or `hurry`."""
        owing = [connection for connection in connections if not connection.idle]
        answered, since = -1, now()
        while owing and not hurry.is_set():
            if answered != self._tally.answered:
                answered, since = self._tally.answered, now()
            elif now() - since > patience_s:
                return
            await asyncio.sleep(LOOK_S)
            owing = [connection for connection in owing if not connection.idle]

    async def part(self, devices: list[Device]) -> None:
        """Say goodbye for these devices, and close their connections."""
        connections = {self.of[device] for device in devices}
        for device in devices:
            if self.of[device].up:
                self.of[device].put(device.goodbye(now()))
        for connection in connections:
            connection.flush()
        await self.settle([c for c in connections if c.up], GOODBYE_S, asyncio.Event())
        for connection in connections:
            connection.leave()

    async def close(self) -> None:
        """Part, and wait until everything is closed."""
        await self.part([device for device in self._devices if device.present])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                for connection in self.all:
                    await connection.closed.wait()

    def _login(self, number: int) -> Login:
        plan = self._plan
        if plan.connections:
            name = f"{plan.prefix}-{plan.seed}-connection-{number + 1}"
            return Login(name, plan.user, plan.password)
        name = self._devices[number].id
        will = (contract.device_topic(name, "status"), contract.OFFLINE)
        if plan.accounts:
            return Login(name, name, plan.accounts[name], will)
        return Login(name, plan.user, plan.password, will)
