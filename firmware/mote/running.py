"""Running mode: stay online, read the sensors, deliver; leave only for set-up."""

import asyncio
import json
import random
import time

from mote import __version__, board, config, contract, log, sensors, system
from mote.failure import Failure
from mote.mqtt.client import Client
from mote.mqtt.queue import Queue
from mote.sensors import rounds
from mote.wifi import station

# Without WiFi for this long the setup portal opens beside the attempts to join (contract 4).
WIFI_PATIENCE_MS = 180_000
# Nobody is hurt by a board that looks for its network, but a broker by a hundred that knock.
WIFI_PAUSE_MS = 2_000
BACKOFF_FIRST_MS = 1_000
BACKOFF_MAX_MS = 60_000
# A login that held this long was a good one: the next loss starts from the shortest pause.
STEADY_MS = 60_000
# `isconnected` does not notice every loss: a server that stays silent may be the radio's fault.
REJOIN_AFTER = 3
INFO_EVERY_MS = 300_000
HOLD_FOR_SETUP_MS = 3_000
HOLD_TO_ERASE_MS = 10_000
LOGS_A_MINUTE = 10
_BEAT_MS = 1_000
# A reading may take this much longer than its interval before the board counts as stuck.
_SLACK_MS = 30_000


async def run(settings):
    """Publish until set-up is wanted; returns why: "wifi" (did not come), "button" or "erased".

    Any error that nobody expected, in any task, ends it and is raised.
    """
    return await _Running(settings).run()


class _Running:
    def __init__(self, settings):
        self._settings = settings
        self._device = settings["id"]
        self._interval_ms = int(settings["interval"] * 1000)
        self._queue = Queue(self._interval_ms)
        self._sensors = sensors.open_all(settings["sensors"])
        self._client = None
        self._first = True
        self._leave = asyncio.Event()
        self._why = ""
        self._error = None
        self._progress_ms = time.ticks_ms()
        self._wifi_lost_ms = self._progress_ms
        self._logs = 0

    async def run(self):
        system.start_watchdog()
        log.tap = self._publish_log
        asyncio.get_event_loop().set_exception_handler(self._unexpected)
        works = [self._stay_online(), self._watch_button(), self._beat()]
        works += [self._measure(sensor) for sensor in self._sensors]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            await self._leave.wait()
            if self._error:
                raise self._error
            if self._client:
                await self._client.leave()
        finally:
            log.tap = None
            for task in tasks:
                task.cancel()
        return self._why

    def _unexpected(self, loop, context):
        self._error = context["exception"]
        self._leave.set()

    def _end(self, why):
        self._why = why
        self._leave.set()

    async def _stay_online(self):
        failures = 0
        pause_ms = BACKOFF_FIRST_MS
        while not self._leave.is_set():
            try:
                if not station.address() or failures >= REJOIN_AFTER:
                    failures = 0
                    await station.join(self._settings["wifi"])
                self._wifi_lost_ms = None
                client = Client(self._settings)
                await client.connect()
                failures = 0
                if await self._online(client) >= STEADY_MS:
                    pause_ms = BACKOFF_FIRST_MS
            except Failure as error:
                log.warning("run: %s" % error)
                failures += 1
                if error.step in ("join", "address"):
                    self._wifi_failed()
                    await asyncio.sleep_ms(WIFI_PAUSE_MS)
                    continue
            # Jitter: a hundred boards do not come back in the same second.
            await asyncio.sleep_ms(pause_ms // 2 + random.getrandbits(16) % (pause_ms // 2 + 1))
            pause_ms = min(pause_ms * 2, BACKOFF_MAX_MS)

    def _wifi_failed(self):
        now = time.ticks_ms()
        if self._wifi_lost_ms is None:
            self._wifi_lost_ms = now
        elif time.ticks_diff(now, self._wifi_lost_ms) >= WIFI_PATIENCE_MS:
            self._end("wifi")

    async def _online(self, client):
        """From a login to the loss of the connection; how many ms it held."""
        since = time.ticks_ms()
        tasks = []
        try:
            await client.announce()
            self._client = client
            tasks.append(asyncio.create_task(self._tell_info(client)))
            await self._queue.deliver(client, self._delivered)
        except OSError as error:
            client.close(error)
        finally:
            self._client = None
            for task in tasks:
                task.cancel()
            client.close()
        log.warning("%s%s: %r" % (contract.LOG_DISCONNECTED, client.server, client.reason))
        return time.ticks_diff(time.ticks_ms(), since)

    def _delivered(self, topic):
        if self._first:
            self._first = False
            log.info(contract.LOG_FIRST_READING)

    async def _tell_info(self, client):
        topic = contract.device_topic(self._device, "info")
        try:
            while True:
                await client.publish(topic, json.dumps(self._info()), retain=True, qos=1)
                await asyncio.sleep_ms(INFO_EVERY_MS)
        except OSError as error:
            client.close(error)

    def _info(self):
        return {
            "version": __version__,
            "board": board.chip(),
            "ip": station.address(),
            "rssi": station.rssi(),
            "heap": system.free_heap(),
            "heap_low": system.heap_low(),
            "reset": system.reset_cause(),
            "sensors": [sensor.kind for sensor in self._sensors if sensor.names],
            "queue": len(self._queue),
            "lost": self._queue.lost,
        }

    async def _measure(self, sensor):
        due = time.ticks_ms()
        while True:
            for metric, value in await sensor.read():
                self._put(metric, value)
            system.free_heap()
            now = self._progress_ms = time.ticks_ms()
            due = rounds.following(due, sensor.interval_ms(self._interval_ms), now)
            await asyncio.sleep_ms(time.ticks_diff(due, now))

    def _put(self, metric, value):
        try:
            payload = contract.format_value(value)
        except ValueError:
            log.warning("sensors: %s is not a finite number" % metric)
            return
        self._queue.put(contract.sensor_topic(self._device, metric), payload)

    async def _watch_button(self):
        button = board.Button()
        while True:
            held_ms, let_go = button.poll()
            if held_ms >= HOLD_TO_ERASE_MS:
                config.erase()
                log.warning("run: BOOT held for 10 s: the configuration is erased")
                return self._end("erased")
            if let_go and held_ms >= HOLD_FOR_SETUP_MS:
                return self._end("button")
            await asyncio.sleep_ms(button.STEP_MS)

    async def _beat(self):
        """Feed the watchdog for as long as readings get done; let a minute's log lines through."""
        beats = 0
        while True:
            late_ms = time.ticks_diff(time.ticks_ms(), self._progress_ms) - self._interval_ms
            if not self._sensors or late_ms < _SLACK_MS:
                system.feed()
            beats = (beats + 1) % (60_000 // _BEAT_MS)
            if not beats:
                self._logs = 0
            await asyncio.sleep_ms(_BEAT_MS)

    def _publish_log(self, line):
        """Send a log line, if there is a connection, without waiting for anyone."""
        if self._client and self._logs < LOGS_A_MINUTE:
            self._logs += 1
            asyncio.create_task(_quietly(self._client, self._device, line))


async def _quietly(client, device, line):
    try:
        await client.publish(contract.device_topic(device, "log"), line)
    except OSError:
        # It is on the serial port all the same.
        pass
