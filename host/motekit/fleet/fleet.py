"""The fleet at work: devices join over the ramp, measure in turn, drop out, come back, drain."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Iterable

from mote import contract

from motekit.fleet.connection import Connection, Login, Refused
from motekit.fleet.device import Device
from motekit.fleet.plan import Plan, PlanError
from motekit.fleet.tally import Tally, now

# Connections that are being made at the same time: a broker's backlog is about 100.
AT_THE_DOOR = 50
PAUSE_FIRST_S, PAUSE_LAST_S = 0.5, 10.0
TICK_S, IDLE_S, LOOK_S, TEND_S = 0.001, 0.1, 0.02, 1.0
# Devices that measure between two looks at the acknowledgements.
TURNS = 100
# The drain ends when nothing was acknowledged for so long.
DRAIN_S = 30.0
GOODBYE_S = 5.0


class Fleet:
    """Makes its devices from the plan; `run` is one run, with its sums in `tally`.

    `began`, `full` (everybody has joined) and `ended` (the last reading was taken) are Unix times,
    0 until then; `behind_s` is how late the last device measured.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tally = Tally()
        self.began = now()
        self.full = self.ended = self.behind_s = 0.0
        self._answered_before_full = self._answered_in_all = 0
        self.devices = [
            Device(name, plan.seed, self.tally, self.began, plan.qos, plan.faults, plan.numbered)
            for name in plan.ids()
        ]
        self.series = sum(len(device.metrics) for device in self.devices)
        self._chance = random.Random(f"{plan.seed}/events")
        self._connections = [
            Connection(plan.server, self._login(number), self.tally)
            for number in range(plan.connections or len(self.devices))
        ]
        self._of: dict[Device, Connection] = {}
        for number, device in enumerate(self.devices):
            self._of[device] = self._connections[number % len(self._connections)]
            self._of[device].devices.append(device)
        self._wanted = {connection: asyncio.Event() for connection in self._connections}
        self._door = asyncio.Semaphore(AT_THE_DOOR)
        self._stop = asyncio.Event()
        self._over = asyncio.Event()
        self._hurry = asyncio.Event()

    @property
    def rate(self) -> float:
        """Readings a second that are asked for; 0 for as many as the broker takes."""
        return self.plan.readings_per_s(self.series)

    @property
    def steady_rate(self) -> float:
        """Publishes acknowledged a second (at QoS 0: sent), from when everybody had joined on."""
        answered = self._answered_in_all if self.ended else self._answered()
        seconds = (self.ended or now()) - (self.full or self.began)
        return (answered - self._answered_before_full) / max(seconds, TICK_S)

    @property
    def draining(self) -> bool:
        return self._over.is_set()

    def stop(self) -> None:
        """End the run; what was taken is still delivered, unless this is called twice."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def run(self) -> None:
        """From the first login to the last acknowledgement. Raises PlanError if that fails."""
        await self._knock()
        self.began = now()
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(self._stay(one)) for one in self._connections]
            beside.append(tasks.create_task(self._join_all()))
            beside.append(tasks.create_task(self._tend(tasks)))
            for an_hour, happen in (
                (self.plan.outages, self._outage),
                (self.plan.churn, self._absence),
            ):
                if an_hour:
                    beside.append(tasks.create_task(self._disturb(tasks, an_hour, happen)))
            await self._measure()
            self._over.set()
            await self._settle(self._connections, DRAIN_S)
            for task in beside:
                task.cancel()
        await self._leave()

    async def _knock(self) -> None:
        try:
            await self._connections[0].open()
        except (Refused, OSError) as error:
            server = f"{self.plan.server.host}:{self.plan.server.port}"
            if isinstance(error, Refused):
                raise PlanError(
                    f"{server} does not let {self._login(0).client} in: {error}. "
                    "Check --user and MOTE_PASSWORD, or --accounts."
                ) from error
            raise PlanError(
                f"no MQTT server answers at {server} ({error or 'time-out'}). Start one with "
                "`mote hub`, or give another with --broker."
            ) from error

    async def _join_all(self) -> None:
        for number, device in enumerate(self.devices):
            due = self.began + self.plan.ramp_s * number / len(self.devices)
            if (pause := due - now()) > 0:
                await asyncio.sleep(pause)
            self._join(device)

    def _join(self, device: Device) -> None:
        device.present = True
        connection = self._of[device]
        self._wanted[connection].set()
        if connection.up:
            connection.welcome(device)

    async def _stay(self, connection: Connection) -> None:
        """Keep it connected for as long as it is wanted; longer pauses while that fails."""
        pause = PAUSE_FIRST_S
        while True:
            await self._wanted[connection].wait()
            if not connection.up:
                try:
                    async with self._door:
                        await connection.open()
                except (Refused, OSError) as error:
                    self.tally.failures[str(error) or "no answer"] += 1
                    await asyncio.sleep(pause * self._chance.uniform(0.5, 1))
                    pause = min(2 * pause, PAUSE_LAST_S)
                    continue
            pause = PAUSE_FIRST_S
            await connection.closed.wait()

    async def _measure(self) -> None:
        """Every device in turn, evenly over the interval, until the end or `stop`."""
        plan, count = self.plan, len(self.devices)
        end = self.began + plan.seconds if plan.seconds else float("inf")
        apart_s = self.series / self.rate / count if self.rate else 0.0
        turn = 0
        while not self._stop.is_set() and (time_s := now()) < end:
            touched: set[Connection] = set()
            due = time_s
            for _ in range(TURNS):
                due = self.began + turn * apart_s if apart_s else time_s
                device = self.devices[turn % count]
                connection = self._of[device]
                # What is due waits for room; without a rate the turn goes to the next one.
                if due > time_s or (apart_s and connection.full):
                    break
                turn += 1
                if device.measuring and (apart_s or (connection.up and not connection.full)):
                    self._take(device, connection, due)
                    touched.add(connection)
            for connection in touched:
                connection.flush()
            self.behind_s = max(time_s - due, 0.0)
            self._note_when_full()
            idle = 0.0 if touched and due <= time_s else max(due - now(), TICK_S)
            await asyncio.sleep(min(idle, IDLE_S))
        self._answered_in_all = self._answered()
        self.ended = now()

    def _take(self, device: Device, connection: Connection, due: float) -> None:
        online = connection.up and not device.cut_off
        for message in device.measure(due):
            if online:
                connection.waiting.append(message)
            else:
                device.keep(message)

    def _note_when_full(self) -> None:
        if not self.full and self.tally.joined >= len(self.devices):
            self.full = now()
            self._answered_before_full = self._answered()

    def _answered(self) -> int:
        return self.tally.answered if self.plan.qos else self.tally.sent

    async def _disturb(
        self,
        tasks: asyncio.TaskGroup,
        an_hour: float,
        happen: Callable[[Device], Coroutine[None, None, None]],
    ) -> None:
        """Let something `happen` to a device by chance, `an_hour` times a device."""
        while True:
            await asyncio.sleep(self._chance.expovariate(an_hour * len(self.devices) / 3600))
            device = self._chance.choice(self.devices)
            if device.measuring and not device.cut_off:
                tasks.create_task(happen(device))

    async def _outage(self, device: Device) -> None:
        """The network is gone for a while; the device measures on and keeps its readings."""
        connection = self._of[device]
        self.tally.outages += 1
        device.cut_off = True
        if not self.plan.connections:
            self._wanted[connection].clear()
            connection.cut()
        await self._while_away()
        device.cut_off = False
        self._wanted[connection].set()
        if connection.up:
            connection.catch_up(device)
            connection.flush()

    async def _absence(self, device: Device) -> None:
        """The device is switched off, half the time without a goodbye, and comes back."""
        connection = self._of[device]
        self.tally.left += 1
        device.present = device.measuring = False
        if self.plan.connections:
            connection.put(device.goodbye(now()))
            connection.flush()
        else:
            self._wanted[connection].clear()
            if self._chance.random() < 0.5:
                connection.cut()
            else:
                await self._part([device])
        await self._while_away()
        if not self.draining or not connection.idle:
            self._join(device)

    async def _while_away(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.plan.away_s * self._chance.uniform(0.5, 1.5)):
                await self._over.wait()

    async def _tend(self, tasks: asyncio.TaskGroup) -> None:
        on_battery = [device for device in self.devices if "battery" in device.metrics]
        while True:
            await asyncio.sleep(TEND_S)
            for connection in self._connections:
                connection.tend()
            for device in on_battery:
                if device.measuring and not device.cut_off and not device.place.charge(now()):
                    device.place.new_battery(now())
                    tasks.create_task(self._absence(device))

    async def _settle(self, connections: Iterable[Connection], patience_s: float) -> None:
        """Wait until nothing is owed, or nothing was acknowledged for `patience_s`."""
        owing = [connection for connection in connections if not connection.idle]
        answered, since = -1, now()
        while owing and not self._hurry.is_set():
            if answered != self.tally.answered:
                answered, since = self.tally.answered, now()
            elif now() - since > patience_s:
                return
            await asyncio.sleep(LOOK_S)
            owing = [connection for connection in owing if not connection.idle]

    async def _part(self, devices: list[Device]) -> None:
        """Say goodbye for these devices, and close their connections."""
        connections = {self._of[device] for device in devices}
        for device in devices:
            if self._of[device].up:
                self._of[device].put(device.goodbye(now()))
        for connection in connections:
            connection.flush()
        await self._settle([one for one in connections if one.up], GOODBYE_S)
        for connection in connections:
            connection.leave()

    async def _leave(self) -> None:
        await self._part([device for device in self.devices if device.present])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                for connection in self._connections:
                    await connection.closed.wait()

    def _login(self, number: int) -> Login:
        plan = self.plan
        if plan.connections:
            name = f"{plan.prefix}-{plan.seed}-connection-{number + 1}"
            return Login(name, plan.user, plan.password)
        name = self.devices[number].id
        will = (contract.device_topic(name, "status"), contract.OFFLINE)
        if plan.accounts:
            return Login(name, name, plan.accounts[name], will)
        return Login(name, plan.user, plan.password, will)
