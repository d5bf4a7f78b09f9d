"""Running mode: stay online, read the sensors, deliver; leave only for set-up."""

import asyncio
import json
import time
from errno import ENOTCONN

from mote import (
    __version__,
    board,
    config,
    contract,
    failure,
    led,
    log,
    memory,
    patience,
    sensors,
    system,
)
from mote.backoff import Backoff
from mote.failure import Failure
from mote.mqtt import MODULES as MQTT
from mote.mqtt.queue import Queue
from mote.sensors import rounds
from mote.wifi import station

# `isconnected` does not notice every loss: a server that stays silent may be the radio's fault.
REJOIN_AFTER = 3
_SILENCE = (failure.NAME_NOT_FOUND, failure.UNREACHABLE, failure.NO_ANSWER)
# What is loaded for the portal alone.
_PORTAL = ("mote.setup", "mote.portal", "mote.trial", "mote.qr")
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
        self._queue = Queue(self._interval_ms)
        self._sensors = sensors.open_all(settings["sensors"])
        self._client = None
        self._first = True
        self._leave = asyncio.Event()
        self._why = ()
        self._portal = None
        self._wifi = Backoff()
        self._server = Backoff()
        self._progress_ms = time.ticks_ms()
        self._logs = 0

    async def run(self):
        log.tap = self._publish_log
        works = [self._stay_online(), board.watch_button(led.show, self._held), self._beat()]
        works += [self._measure(sensor) for sensor in self._sensors]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            await self._leave.wait()
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

    async def _stay_online(self):
        silent = 0
        while not self._leave.is_set():
            try:
                if not station.address() or silent >= REJOIN_AFTER:
                    silent = 0
                    await self._join()
                led.show("joining")
                # Loaded when there is a network: without one the portal needs its memory.
                from mote.mqtt.client import Client

                client = Client(self._settings)
                await client.connect()
                silent = 0
                if await self._online(client) >= patience.CONNECTION_STEADY_MS:
                    self._server.over()
            except Failure as error:
                log.warning("run: %s" % error)
                silent += error.reason in _SILENCE
                if error.step in ("join", "address"):
                    continue
            self._server.failed()
            # A connection that went with the WiFi is not the server's fault: it need not wait.
            if station.address():
                led.show("error")
                await asyncio.sleep_ms(self._server.pause_ms())

    async def _join(self):
        """Join a known network. Raises Failure after a pause; opens the portal when it is time."""
        if not self._portal:
            led.show("joining")
        try:
            await station.join(self._settings["wifi"])
        except Failure:
            self._wifi.failed()
            pause_ms = self._wifi.pause_ms()
            if self._wifi.outage_ms() >= self._wifi_patience_ms():
                await self._open_portal()
            if self._portal:
                pause_ms = patience.RETRY_BESIDE_PORTAL_MS
            led.show("setup" if self._portal else "error")
            await asyncio.sleep_ms(pause_ms)
            # A phone on the portal has the radio for itself.
            while self._portal and self._portal.busy:
                await asyncio.sleep_ms(_BEAT_MS)
            raise
        self._wifi.over()
        if self._portal and not self._portal.busy:
            log.info("run: the known WiFi is back, the portal closes")
            self._portal.close()
            self._portal = None
            memory.forget(*_PORTAL)

    def _wifi_patience_ms(self):
        if self._settings["deep_sleep"]:
            return patience.WIFI_LOST_ON_BATTERY_MS
        return patience.WIFI_LOST_MS

    async def _open_portal(self):
        if self._portal:
            return
        memory.forget(*MQTT)
        try:
            from mote.setup import Portal

            self._portal = Portal(self._settings, "wifi")
            await self._portal.open()
        except MemoryError:
            # With sensors that need much, one has to go: the portal is the way back.
            self._end("no memory for the portal beside running", "button")
            return
        self._watch = asyncio.create_task(self._watch_portal())

    async def _watch_portal(self):
        while self._portal:
            if self._portal.finished:
                self._end("settings saved")
                return
            on_battery = self._settings["deep_sleep"]
            if on_battery and self._portal.unused_ms > patience.PORTAL_ON_BATTERY_MS:
                system.sleep(patience.SLEEP_ON_BATTERY_MS)
            await asyncio.sleep_ms(_BEAT_MS)

    async def _online(self, client):
        """From a login to the loss of the connection; how many ms it held."""
        since = time.ticks_ms()
        tasks = []
        try:
            await client.announce()
            self._client = client
            led.show("connected")
            tasks.append(asyncio.create_task(self._tell_info(client)))
            tasks.append(asyncio.create_task(_close_without_wifi(client)))
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
            "heap": memory.free_heap(),
            "heap_low": memory.heap_low(),
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
            memory.free_heap()
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
