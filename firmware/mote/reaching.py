"""Gets the board to its server: joins the WiFi, logs in; opens the portal beside when it is time.

Loaded for that, and forgotten while the board is online.
"""

import asyncio
import time

from mote import failure, led, log, memory, patience, system, tasks
from mote.failure import Failure
from mote.mqtt import MODULES as MQTT
from mote.wifi import station

# `isconnected` does not notice every loss: a server that stays silent may be the radio's fault.
REJOIN_AFTER = 3
# What Python has taken from TLS once it does not give back: only a restart does.
_RESTART_AFTER = 3
_SILENCE = (failure.NAME_NOT_FOUND, failure.UNREACHABLE, failure.NO_ANSWER, failure.NO_TLS)
# What is loaded for the portal alone.
_PORTAL = ("mote.setup_network", "mote.setup_cable", "mote.portal", "mote.trial", "mote.qr")
_STEP_MS = 1_000


async def server(online):
    """A client that is logged in; until then every failure is followed by another attempt."""
    home = online.settings["wifi"]
    silent = short = 0
    # A wrong time makes a good certificate look expired.
    doubtful = False
    while True:
        async with station.trial:
            # A trial ends by itself, and two would throw each other out.
            pass
        await _let_visitor_look(online, home)
        try:
            if not station.is_in(home) or silent >= REJOIN_AFTER:
                silent = 0
                await _join(online)
            led.show("joining")
            # Loaded when there is a network: without one the portal needs its memory.
            from mote import certificate_time
            from mote.mqtt import connecting

            await certificate_time.ensure(online.settings, doubtful)
            del certificate_time
            memory.forget("mote.certificate_time", "mote.clock.floor")
            return await connecting.log_in(online.settings, lambda step: _check(home))
        except Failure as error:
            log.warning("run: %s" % error)
            doubtful = error.reason == failure.TLS
            silent += error.reason in _SILENCE
            short += error.reason == failure.NO_MEMORY
            # Where it never was enough, a restart changes nothing.
            if short >= _RESTART_AFTER and online.was:
                online.end("the next start has the memory for TLS")
            if error.step in ("join", "address"):
                continue
        except MemoryError:
            # A phone is on the portal: when it is gone, so is the portal.
            log.warning("run: no memory for the server beside the portal")
            memory.forget("mote.wifi.joining", *MQTT)
            await asyncio.sleep_ms(patience.PAUSE_FIRST_MS)
        await online.pause()


async def _let_visitor_look(online, home):
    """Wait where a trial led into another network, for whoever looks at the outcome there."""
    begun_ms = time.ticks_ms()
    while online.portal and online.portal.busy and station.address() and not station.is_in(home):
        if time.ticks_diff(time.ticks_ms(), begun_ms) > patience.RETRY_IN_USE_MS:
            break
        await asyncio.sleep_ms(_STEP_MS)


def _check(home):
    # A trial may have begun meanwhile: no login goes into the network that it tries.
    if not station.is_in(home):
        raise Failure(failure.UNREACHABLE, "in another network")


async def _join(online):
    """Join a known network. Raises Failure after a pause; opens the portal when it is time."""
    if not online.portal:
        led.show("joining")
    try:
        async with station.trial:
            await _joined(online.settings["wifi"])
    except Failure:
        online.wifi.failed()
        pause_ms = online.wifi.pause_ms()
        if online.wifi.outage_ms() >= _wifi_patience_ms(online) and not online.portal:
            await _open_portal(online)
        if online.portal:
            pause_ms = patience.RETRY_BESIDE_PORTAL_MS
            memory.forget("mote.wifi.joining")
        led.show("setup" if online.portal else "error")
        failed_ms = time.ticks_ms()
        await asyncio.sleep_ms(pause_ms)
        # Somebody who uses the portal has the radio for himself, but not for ever.
        while online.portal and online.portal.busy:
            if time.ticks_diff(time.ticks_ms(), failed_ms) > patience.RETRY_IN_USE_MS:
                log.info("run: the portal is in use; the known WiFi is tried all the same")
                break
            await asyncio.sleep_ms(_STEP_MS)
        raise
    online.wifi.over()
    # What comes next needs its memory: TLS above all.
    memory.forget("mote.wifi.joining")
    if online.portal and not online.portal_stays:
        online.portal.wifi_is_back()
        await _close_portal(online)


async def _close_portal(online):
    """Close the portal when the known WiFi is back and nobody is in the middle of something."""
    portal = online.portal
    if not portal.makes_room or not portal.is_unused(0):
        return
    log.info("run: the known WiFi is back, the portal closes")
    online.portal = None
    portal.close()
    # Its servers end in the next turn of the loop, and hold their modules until then.
    del portal
    await asyncio.sleep_ms(_STEP_MS)
    memory.forget(*_PORTAL)
    online.make_room()


async def _joined(networks):
    from mote.wifi import joining

    await joining.join(networks)


def _wifi_patience_ms(online):
    if online.settings["deep_sleep"]:
        return patience.WIFI_LOST_ON_BATTERY_MS
    return patience.WIFI_LOST_MS


async def _open_portal(online):
    memory.forget(*MQTT)
    try:
        from mote.setup_network import Portal

        online.portal = Portal(online.settings, "wifi", beside=True)
        await online.portal.open()
    except MemoryError:
        # With sensors that need much, one has to go: the portal is the way back.
        online.end("no memory for the portal beside running", "wifi")
        return
    tasks.start(_watch_portal(online))


async def _watch_portal(online):
    while online.portal:
        online.portal.supervise()
        if online.portal.finished:
            online.end("settings saved")
            return
        if online.portal.starved:
            # As below: one has to go.
            online.end("no memory for phones beside running", "wifi")
            return
        on_battery = online.settings["deep_sleep"]
        if on_battery and online.portal.is_unused(patience.PORTAL_ON_BATTERY_MS):
            system.sleep(patience.SLEEP_ON_BATTERY_MS)
        await _close_portal(online)
        await asyncio.sleep_ms(_STEP_MS)
