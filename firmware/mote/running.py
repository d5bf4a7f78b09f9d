"""Running mode: read the sensors, deliver, obey commands; leave only for a restart."""

import asyncio
import json
import time
from errno import ENOTCONN

from mote import (
    __version__,
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
    update,
)
from mote.clock.clock import Clock
from mote.delivery import Delivery
from mote.online import Online
from mote.sensors import rounds
from mote.store.ring import Ring
from mote.wifi import station

INFO_EVERY_MS = 300_000
LOGS_A_MINUTE = 10
_BEAT_MS = 1_000
_WIFI_STEP_MS = 500
# A reading may take this much longer than its interval before the board counts as stuck.
_SLACK_MS = 30_000


async def run(settings):
    """Publish until a restart is wanted; returns why, and the mode to restart in."""
    return await _Running(settings).run()


class _Running:
    def __init__(self, settings):
        self._settings = settings
        self._device = settings["id"]
        self._interval_ms = int(settings["interval"] * 1000)
        self._clock = Clock()
        boot = starts.number()
        self._delivery = Delivery(self._device, Ring(boot=boot), self._clock, boot)
        self._sensors = sensors.open_all(settings["sensors"])
        self._online = Online(settings, self._session, self._end)
        self._commands = None
        self._client = None
        self._first = True
        self._leave = asyncio.Event()
        self._why = ()
        self._progress_ms = time.ticks_ms()
        self._logs = 0

    async def run(self):
        log.tap = self._publish_log
        works = [self._online.stay(), board.watch_button(led.show, self._held), self._beat()]
        works.append(console.listen(self._converse))
        works += [self._measure(sensor) for sensor in self._sensors]
        works.append(self._keep_time())
        if config.on_probation():
            works.append(self._prove())
        tasks = [asyncio.create_task(work) for work in works]
        try:
            await self._leave.wait()
            self._delivery.keep()
            if self._client:
                await self._client.leave()
        finally:
            log.tap = None
            for task in tasks:
                task.cancel()
        return self._why

    def _end(self, *why):
        self._why = why
        self._leave.set()

    def _held(self, mode):
        """The BOOT button was held."""
        if mode == "erased":
            config.erase()
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
        await self._clock.keep(self._time_servers)

    def _time_servers(self):
        """The usual ones; in a network without the internet the server or the gateway may know."""
        return contract.NTP_SERVERS + (self._settings["mqtt"]["host"], station.gateway())

    async def _prove(self):
        """A new configuration that does not get the board online makes room for the old one."""
        await asyncio.sleep_ms(patience.PROBATION_MS)
        if config.on_probation():
            from mote import probation

            log.error(contract.LOG_PROBATION_FAILED)
            probation.failed()
            self._end("the old configuration is back")

    async def _session(self, client):
        """From a login to the loss of the connection; how many ms it held."""
        since = time.ticks_ms()
        tasks = []
        try:
            client.set_callback(lambda _, payload: self._obey().received(payload))
            await client.subscribe(contract.device_topic(self._device, "cmd"), 1)
            await client.announce()
            self._client = client
            led.show("connected")
            tasks.append(asyncio.create_task(self._tell(client)))
            tasks.append(asyncio.create_task(_close_without_wifi(client)))
            await self._deliver(client)
        except OSError as error:
            client.close(error)
        finally:
            self._client = None
            for task in tasks:
                task.cancel()
            client.close()
        log.warning("%s%s: %r" % (contract.LOG_DISCONNECTED, client.server, client.reason))
        return time.ticks_diff(time.ticks_ms(), since)

    async def _deliver(self, client):
        task = asyncio.create_task(self._delivery.deliver(client, self._delivered))
        try:
            await client.closed.wait()
        finally:
            task.cancel()

    def _delivered(self):
        if self._first:
            self._first = False
            log.info(contract.LOG_FIRST_READING)

    async def _tell(self, client):
        """Who the board is: what it was left to say, its metrics, its state from time to time."""
        try:
            await self._tell_once(client)
            await self._announce_metrics(client)
            while True:
                await client.publish(self._topic("info"), json.dumps(self._info()), True, 1)
                await asyncio.sleep_ms(INFO_EVERY_MS)
        except OSError as error:
            client.close(error)

    async def _tell_once(self, client):
        """What the start before this one left to be said."""
        if config.on_probation(over=True):
            from mote import probation

            outcome = probation.passed()
            if outcome:
                await self._obey().conclude("config", *outcome)
            # Not before it is out: a lost connection must not swallow it.
            probation.told()
        if update.due():
            from mote.update import trial

            await trial.conclude(self._obey())
        trace = starts.untold()
        if trace:
            await client.publish(self._topic("log"), trace, qos=1)
            starts.told()

    async def _announce_metrics(self, client):
        from mote import homeassistant

        metrics = [name for sensor in self._sensors for name in sensor.names]
        await homeassistant.announce(client, self._device, metrics, board.chip())
        memory.forget("mote.homeassistant", "mote.units")

    def _obey(self):
        """What obeys: loaded with the first command, most boards never get one."""
        if not self._commands:
            from mote.commands import Commands

            # The command that the board restarted for must not be done again.
            self._commands = Commands(self._orders, self._reply, starts.last_nonce())
        return self._commands

    def _orders(self):
        from mote.orders import Orders

        return Orders(self._settings, self._delivery, self._end).handlers()

    def _topic(self, leaf):
        return contract.device_topic(self._device, leaf)

    def _info(self):
        return {
            "version": __version__,
            "board": board.chip(),
            "profile": board.profile()["key"],
            "ip": station.address(),
            "rssi": station.rssi(),
            "heap": memory.free_heap(),
            "heap_low": memory.heap_low(),
            "reset": system.reset_cause(),
            "crashes": starts.crashes(),
            "sensors": [sensor.kind for sensor in self._sensors if sensor.names],
            "queue": len(self._delivery),
            "lost": self._delivery.lost,
            "clock": self._clock.known,
        }

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
        self._delivery.take(metric, value)

    async def _beat(self):
        """Feed the watchdog for as long as readings get done; let a minute's log lines through."""
        beats = 0
        while True:
            self._delivery.date()
            late_ms = time.ticks_diff(time.ticks_ms(), self._progress_ms) - self._interval_ms
            if not self._sensors or late_ms < _SLACK_MS:
                system.feed()
            beats = (beats + 1) % (60_000 // _BEAT_MS)
            if not beats:
                self._logs = 0
                memory.forget("mote.orders", "mote.probation")
            await asyncio.sleep_ms(_BEAT_MS)

    async def _reply(self, text):
        """Publish an answer to a command. Raises OSError."""
        if not self._client:
            raise OSError(ENOTCONN)
        await self._client.publish(self._topic("reply"), text, qos=1)

    def _publish_log(self, line):
        """Send a log line, if there is a connection, without waiting for anyone."""
        if self._client and self._logs < LOGS_A_MINUTE:
            self._logs += 1
            asyncio.create_task(_quietly(self._client, self._device, line))


async def _close_without_wifi(client):
    """The radio knows of a lost network long before an acknowledgement is overdue."""
    while station.address():
        await asyncio.sleep_ms(_WIFI_STEP_MS)
    client.close(OSError(ENOTCONN))


async def _quietly(client, device, line):
    try:
        await client.publish(contract.device_topic(device, "log"), line)
    except OSError:
        # It is on the serial port all the same.
        pass
