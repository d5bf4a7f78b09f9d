"""The fleet at work: devices join over the ramp, measure in turn, drop out, come back, drain."""

import asyncio

from motekit.fleet.connection import Connection
from motekit.fleet.device import Device
from motekit.fleet.life import Life
from motekit.fleet.lines import Lines
from motekit.fleet.plan import Plan
from motekit.fleet.tally import Tally, now

TICK_S, IDLE_S, TEND_S = 0.001, 0.1, 1.0
# Devices that measure between two looks at the acknowledgements.
TURNS = 100
# The drain ends when nothing was acknowledged for so long.
DRAIN_S = 30.0


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
        self._lines = Lines(plan, self.devices, self.tally)
        self._stop = asyncio.Event()
        self._over = asyncio.Event()
        self._hurry = asyncio.Event()
        self._done = False

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
    def seconds(self) -> float:
        """How long the devices have measured."""
        return (self.ended or now()) - self.began

    @property
    def draining(self) -> bool:
        """Whether the measuring is over, and what is owed is being delivered."""
        return self._over.is_set() and not self._done

    def stop(self) -> None:
        """End the run; what was taken is still delivered, unless this is called twice."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def run(self) -> None:
        """From the first login to the last acknowledgement. Raises PlanError if that fails."""
        lines = self._lines
        life = Life(self.plan, self.devices, lines, self.tally, self._over)
        await lines.knock()
        self.began = now()
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(lines.stay(one)) for one in lines.all]
            beside.append(tasks.create_task(self._join_all()))
            beside.append(tasks.create_task(self._tend()))
            living = tasks.create_task(life.go_on())
            await self._measure()
            self._over.set()
            await living
            await lines.settle(lines.all, DRAIN_S, self._hurry)
            for task in beside:
                task.cancel()
        await lines.close()
        self._done = True

    async def _join_all(self) -> None:
        for number, device in enumerate(self.devices):
            due = self.began + self.plan.ramp_s * number / len(self.devices)
            if (pause := due - now()) > 0:
                await asyncio.sleep(pause)
            self._lines.join(device)

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND_S)
            for connection in self._lines.all:
                connection.tend()

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
                connection = self._lines.of[device]
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
