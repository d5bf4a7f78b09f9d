"""What happens to devices: outages of the network, being switched off and on, empty batteries."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine

from motekit.fleet.device import Device
from motekit.fleet.lines import Lines
from motekit.fleet.plan import Plan
from motekit.fleet.tally import Tally, now

LOOK_S = 1.0


class Life:
    """Lets things happen by chance, by the seed of the plan, until `over` is set."""

    def __init__(
        self, plan: Plan, devices: list[Device], lines: Lines, tally: Tally, over: asyncio.Event
    ) -> None:
        self._plan = plan
        self._devices = devices
        self._lines = lines
        self._tally = tally
        self._over = over
        self._chance = random.Random(f"{plan.seed}/life")

    async def go_on(self) -> None:
        """Runs until `over`, and then until everybody is back who owes something."""
        async with asyncio.TaskGroup() as tasks:
            await asyncio.gather(
                self._happens(tasks, self._plan.outages, self._outage),
                self._happens(tasks, self._plan.churn, self._absence),
                self._batteries(tasks),
            )

    async def _happens(
        self,
        tasks: asyncio.TaskGroup,
        an_hour: float,
        happening: Callable[[Device], Coroutine[None, None, None]],
    ) -> None:
        """Start `happening` with one device after another, `an_hour` times a device."""
        while an_hour and not self._over.is_set():
            await self._pause(self._chance.expovariate(an_hour * len(self._devices) / 3600))
            device = self._chance.choice(self._devices)
            if self._free(device):
                tasks.create_task(happening(device))

    async def _batteries(self, tasks: asyncio.TaskGroup) -> None:
        on_battery = [device for device in self._devices if "battery" in device.metrics]
        while on_battery and not self._over.is_set():
            await self._pause(LOOK_S)
            for device in on_battery:
                if self._free(device) and not device.place.charge(now()):
                    device.place.new_battery(now())
                    tasks.create_task(self._absence(device))

    def _free(self, device: Device) -> bool:
        return device.measuring and not device.cut_off and not self._over.is_set()

    async def _outage(self, device: Device) -> None:
        self._tally.outages += 1
        self._lines.cut(device)
        await self._pause(self._plan.away_s * self._chance.uniform(0.5, 1.5))
        self._lines.mend(device)

    async def _absence(self, device: Device) -> None:
        self._tally.left += 1
        # Half of them are just unplugged.
        await self._lines.switch_off(device, goodbye=self._chance.random() < 0.5)
        await self._pause(self._plan.away_s * self._chance.uniform(0.5, 1.5))
        if not self._over.is_set() or not self._lines.of[device].idle:
            self._lines.join(device)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()
