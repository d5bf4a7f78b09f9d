"""Running mode: read the sensors, deliver, obey commands; leave only for a restart."""

import asyncio
import sys
import time

from mote import (
    board,
    config,
    console,
    contract,
    led,
    log,
    memory,
    patience,
    sensors,
    starts,
    system,
    tasks,
    time_servers,
    update,
)
from mote.delivery import Delivery
from mote.obeying import Obeying
from mote.online import Online
from mote.sensors import rounds
from mote.store.ring import Ring
from mote.wifi import station

LOGS_A_MINUTE = 10
_WITHDRAW_S = 5
_BEAT_MS = 1_000
# What obeys, and what else is needed while there is a connection.
_ORDERS = ("mote.orders", "mote.reconfigure", "mote.probation", "mote.atomic_file")
_CONNECTED = ("mote.session", "mote.sending") + _ORDERS
# A reading may take this much longer than its interval before the board counts as stuck.
_SLACK_MS = 30_000


async def run(settings):
    """Publish until a restart is wanted; returns why, and the mode to restart in."""
    return await _Running(settings).run()


class _Running(Obeying):
    def __init__(self, settings):
        super().__init__(settings)
        self._interval_ms = int(settings["interval"] * 1000)
        from mote.clock import floor

        self.clock = floor.clock(settings["mqtt"])
        memory.forget("mote.clock.floor")
        boot = starts.number()
        self.delivery = Delivery(Ring(boot=boot), self.clock, boot)
        self.sensors = sensors.open_all(settings["sensors"])
        self._online = Online(settings, self._session, self._end)
        self.first = True
        self._leave = asyncio.Event()
        self._why = ()
        self._progress_ms = time.ticks_ms()
        self._logs = 0

    async def run(self):
        log.tap = self._publish_log
        works = [self._online.stay(), board.watch_button(led.show, self._held), self._beat()]
        works.append(console.listen(self._converse))
        works += [self._measure(sensor) for sensor in self.sensors]
        works.append(self._keep_time())
        if config.on_probation():
            works.append(self._prove())
        works = [asyncio.create_task(work) for work in works]
        try:
            await self._leave.wait()
            self.delivery.keep()
            if self.client:
                await self._withdraw()
                await self.client.leave()
        finally:
            log.tap = None
            for task in works:
                task.cancel()
        return self._why

    async def _withdraw(self):
        """With another id the board may not clear what it announced under this one."""
        if config.saved_id() in (self._device, None):
            return
        from mote import homeassistant

        try:
            await tasks.within(_WITHDRAW_S, homeassistant.withdraw(self.client, self._device))
        except (OSError, MemoryError, asyncio.TimeoutError):
            log.warning("run: Home Assistant keeps the entries of %s" % self._device)

    def _end(self, *why):
        self._why = why
        self._leave.set()

    def _held(self, mode):
        """The BOOT button was held."""
        if mode == "erased":
            from mote import identity

            identity.begin_erasing()
            log.warning("run: BOOT held for 10 s: the configuration is erased")
        self._end("BOOT was held", mode)

    def _converse(self, talk):
        """What an installer at the serial port talks with."""
        if self._online.portal:
            return self._online.portal.converse(talk)
        from mote.improv import settled

        return settled.met(talk, self._device, self._end)

    async def _keep_time(self):
        # A lookup without a network fails, and puts the server last.
        while not station.address():
            await asyncio.sleep_ms(_BEAT_MS)
        await self.clock.keep(self._time_servers)

    def _time_servers(self):
        self.clock.online = self.client is not None
        return time_servers.names(self.settings)

    async def _prove(self):
        """A new configuration that does not get the board online makes room for the old one."""
        await asyncio.sleep_ms(patience.PROBATION_MS)
        if config.on_probation():
            from mote import probation

            log.error(contract.LOG_PROBATION_FAILED)
            probation.failed()
            self._end("the old configuration is back")

    async def _session(self, client):
        from mote.session import Session

        try:
            return await Session(self, client).hold()
        finally:
            del Session
            _abandon_update()
            memory.forget(*_CONNECTED)

    def _handlers(self):
        from mote.orders import Orders

        return Orders(self.settings, self.delivery, self._end).handlers()

    async def _measure(self, sensor):
        due = time.ticks_ms()
        while True:
            for metric, value in await sensor.read():
                self._put(metric, value)
            memory.free_heap()
            now = self._progress_ms = time.ticks_ms()
            due = rounds.following(due, sensor.interval_ms(self._interval_ms), now)
            await asyncio.sleep_ms(time.ticks_diff(due, now))

    def _put(self, metric, value):
        try:
            contract.format_value(value)
        except ValueError:
            log.warning("sensors: %s is not a finite number" % metric)
            return
        self.delivery.take(metric, value)

    async def _beat(self):
        """Feed the watchdog for as long as readings get done; let a minute's log lines through."""
        beats = 0
        while True:
            self.delivery.date()
            late_ms = time.ticks_diff(time.ticks_ms(), self._progress_ms) - self._interval_ms
            if not self.sensors or late_ms < _SLACK_MS:
                system.feed()
            beats = (beats + 1) % (60_000 // _BEAT_MS)
            if not beats:
                self._logs = 0
                memory.forget(*_ORDERS)
            await asyncio.sleep_ms(_BEAT_MS)

    def _publish_log(self, line):
        """Send a log line, if there is a connection, without waiting for anyone."""
        if self.client and self._logs < LOGS_A_MINUTE:
            self._logs += 1
            tasks.start(_quietly(self.client, self._device, line))


def _abandon_update():
    """Without a connection nothing comes in: begun once more, it goes on where it was."""
    receive = sys.modules.get("mote.update.receive")
    if receive:
        receive.abandon()
        memory.forget(*update.MODULES)


async def _quietly(client, device, line):
    try:
        await client.publish(contract.device_topic(device, "log"), line)
    except OSError:
        # It is on the serial port all the same.
        pass
