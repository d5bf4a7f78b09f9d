"""Running mode: stay online, read the sensors, deliver; leave only for set-up."""

import asyncio
import json
import random
import time

from mote import __version__, board, config, contract, log, sensors, system
from mote.failure import Failure
from mote.mqtt.client import Client
from mote.mqtt.queue import Queue
from mote.wifi import station

# Without WiFi for this long the setup portal opens beside the attempts to join (contract 4).
WIFI_PATIENCE_MS = 180_000
INFO_EVERY_MS = 300_000
BACKOFF_FIRST_MS = 1_000
BACKOFF_MAX_MS = 60_000
# So many failures to reach the server, and the WiFi is joined anew.
REJOIN_AFTER = 3
HOLD_FOR_SETUP_MS = 3_000
HOLD_TO_ERASE_MS = 10_000
_BEAT_MS = 1_000
# A round of readings may take this much longer than its interval before it counts as stuck.
_SLACK_MS = 30_000
_LOGS_A_MINUTE = 10


async def run(settings):
    """Publish until set-up is wanted; returns why: "wifi" (never came), "button" or "erased"."""
    return await _Running(settings).run()


class _Running:
    def __init__(self, settings):
        self._settings = settings
        self._device = settings["id"]
        self._interval_ms = int(settings["interval"] * 1000)
        self._queue = Queue()
        self._sensors = sensors.open_all(settings["sensors"])
        self._client = None
        self._first = True
        self._leave = asyncio.Event()
        self._why = ""
        self._progress_ms = time.ticks_ms()
        self._joined_ms = time.ticks_ms()

    async def run(self):
        system.start_watchdog()
        log.tap = _LogTopic(self).line
        tasks = [
            asyncio.create_task(self._guarded(work()))
            for work in (self._stay_online, self._measure, self._watch_button, self._beat)
        ]
        self._error = None
        try:
            await self._leave.wait()
        finally:
            log.tap = None
            for task in tasks:
                task.cancel()
        if self._error:
            raise self._error
        if self._client:
            await self._client.leave()
        return self._why

    async def _guarded(self, work):
        """An error that nobody expected ends the whole mode, not one task silently."""
        try:
            await work
        except Exception as error:
            self._error = error
            self._leave.set()

    def _end(self, why):
        self._why = why
        self._leave.set()

    async def _stay_online(self):
        pause_ms = BACKOFF_FIRST_MS
        fruitless = 0
        while True:
            try:
                # A broker that is gone is no reason to give up a network that works.
                if not station.address():
                    await station.join(self._settings["wifi"])
                self._joined_ms = time.ticks_ms()
                client = Client(self._settings)
                await client.connect()
                pause_ms = BACKOFF_FIRST_MS
                fruitless = 0
                await self._online(client)
                log.warning("%s%s" % (contract.LOG_DISCONNECTED, client.server))
            except Failure as error:
                log.warning("run: %s" % error)
                self._give_up_after_a_while(error)
                fruitless += 1
                if fruitless % REJOIN_AFTER == 0:
                    # isconnected() does not notice a lost address: the server is the judge.
                    station.leave()
            # Jitter: a hundred boards do not come back in the same second.
            await asyncio.sleep_ms(pause_ms // 2 + random.getrandbits(16) % (pause_ms // 2 + 1))
            pause_ms = min(pause_ms * 2, BACKOFF_MAX_MS)

    def _give_up_after_a_while(self, error):
        if error.step not in ("join", "address"):
            return
        if time.ticks_diff(time.ticks_ms(), self._joined_ms) > WIFI_PATIENCE_MS:
            self._end("wifi")

    async def _online(self, client):
        """From a login to the loss of the connection."""
        tasks = []
        try:
            await client.announce()
            self._client = client
            tasks.append(asyncio.create_task(self._tell_info(client)))
            tasks.append(asyncio.create_task(self._deliver(client)))
            await client.closed.wait()
        except OSError as error:
            log.debug("run: %r" % error)
        finally:
            self._client = None
            for task in tasks:
                task.cancel()
            await client.close()

    async def _deliver(self, client):
        try:
            await self._queue.deliver(client, self._delivered)
        except OSError:
            await client.close()

    def _delivered(self, topic):
        if self._first:
            self._first = False
            log.info(contract.LOG_FIRST_READING)

    async def _tell_info(self, client):
        try:
            while True:
                topic = contract.device_topic(self._device, "info")
                await client.publish(topic, json.dumps(self._info()), retain=True, qos=1)
                await asyncio.sleep_ms(INFO_EVERY_MS)
        except OSError:
            await client.close()

    def _info(self):
        return {
            "version": __version__,
            "board": board.chip(),
            "ip": station.address(),
            "rssi": station.rssi(),
            "heap": system.free_heap(),
            "heap_peak": system.heap_peak(),
            "reset": system.reset_cause(),
            "sensors": [sensor.kind for sensor in self._sensors],
            "queue": len(self._queue),
            "lost": self._queue.lost,
        }

    async def _measure(self):
        """A round every interval, counted from the first: the rounds do not drift."""
        due = time.ticks_ms()
        while True:
            for sensor in self._sensors:
                for metric, value in await sensor.read():
                    self._put(metric, value)
            self._progress_ms = time.ticks_ms()
            system.free_heap()
            due = time.ticks_add(due, self._interval_ms)
            rest = time.ticks_diff(due, time.ticks_ms())
            if rest < 0:
                # Late by a whole round or more, after a long block: begin a new count.
                due, rest = time.ticks_ms(), 0
            await asyncio.sleep_ms(rest)

    def _put(self, metric, value):
        try:
            payload = contract.format_value(value)
        except ValueError:
            return
        self._queue.put(contract.sensor_topic(self._device, metric), payload)

    async def _watch_button(self):
        button = board.Button()
        while True:
            held_ms, let_go = button.poll()
            if held_ms >= HOLD_TO_ERASE_MS:
                config.erase()
                log.warning("run: BOOT held for 10 s: the configuration is erased")
                self._end("erased")
            elif let_go and held_ms >= HOLD_FOR_SETUP_MS:
                self._end("button")
            await asyncio.sleep_ms(button.STEP_MS)

    async def _beat(self):
        """Feed the watchdog for as long as rounds of readings get done."""
        allowed_ms = self._interval_ms + _SLACK_MS
        while True:
            if time.ticks_diff(time.ticks_ms(), self._progress_ms) < allowed_ms:
                system.feed()
            await asyncio.sleep_ms(_BEAT_MS)

    def publish_log(self, line):
        """Send a log line, if there is a connection, without waiting for anyone."""
        if self._client and not self._client.closed.is_set():
            topic = contract.device_topic(self._device, "log")
            asyncio.create_task(_quietly(self._client.publish(topic, line)))


class _LogTopic:
    """Warnings and errors to `devices/<id>/log`, at most ten a minute."""

    def __init__(self, running):
        self._running = running
        self._since = time.ticks_ms()
        self._count = 0

    def line(self, line):
        now = time.ticks_ms()
        if time.ticks_diff(now, self._since) > 60_000:
            self._since, self._count = now, 0
        self._count += 1
        if self._count <= _LOGS_A_MINUTE:
            self._running.publish_log(line)


async def _quietly(awaitable):
    try:
        await awaitable
    except OSError:
        pass
