"""Joins a WiFi network, and says in our own reasons why it could not.

Loaded for that, and forgotten while the board is online. The driver's own retries are off: they
never end, and a second `connect` during them raises "Wifi Internal State Error".
"""

import asyncio
import time

import network

from mote import board, contract, failure, log
from mote.failure import Failure
from mote.wifi import station

JOIN_MS = 12_000
# Access points that are busy refuse right passwords too: twice in a row is a hint.
SURE_AFTER = 2
# A driver that leaves so many attempts without an end hangs.
RESTART_AFTER = 3
_STEP_MS = 100
_SETTLE_MS = 300
# A network that is not there is known after 2.5 s.
_ASK_AFTER_MS = 2_700
_ASK_EVERY_MS = 700
_IDLE, _CONNECTING, _GOT_IP = 1000, 1001, 1010
# Disconnect reasons of the driver (esp_wifi_types.h): 15 and 204 are handshakes that ended in
# silence, 2 an authentication that expired: mostly, not always, a wrong password.
_PASSWORD_REASONS = (202, 204, 15, 2)
_ABSENT_REASONS = (201, 210, 211, 212)


async def join(networks, progress=lambda step: None, attempts=1):
    """Join the strongest of `networks` (`ssid`, `password`) that lets the board in.

    `progress` is told "join", then "address". A network that refuses is asked `attempts` times.
    Raises Failure: WRONG_PASSWORD (only after it was refused twice), NETWORK_NOT_FOUND, NOT_JOINED,
    NO_ADDRESS; of several networks the failure of the last one tried.
    """
    async with station.turn:
        radio = station.radio()
        radio.active(True)
        radio.config(reconnects=0)
        # Modem sleep drops MQTT behind some access points.
        radio.config(pm=network.WLAN.PM_NONE)
        if "txpower" in board.profile():
            radio.config(txpower=board.profile()["txpower"])
        if len(networks) > 1:
            networks = _by_signal(networks)
        for one in networks:
            for _ in range(attempts):
                try:
                    await _join_one(radio, one["ssid"], one["password"], progress)
                    station.refusals.pop(one["ssid"], None)
                    return
                except Failure as error:
                    log.warning("%s%s: %s" % (contract.LOG_JOIN_FAILED, one["ssid"], error))
                    last = error
                    if error.step != "join" or error.reason == failure.NETWORK_NOT_FOUND:
                        break
        raise last


def _by_signal(networks):
    from mote.wifi import scan

    heard = {}
    for found in scan.networks():
        heard[found.ssid] = found.rssi
    # A network that was not heard may be hidden: it is tried last.
    return sorted(networks, key=lambda one: -heard.get(one["ssid"], -200))


async def _join_one(radio, ssid, password, progress):
    progress("join")
    station.leave()
    await asyncio.sleep_ms(_SETTLE_MS)
    # The reason of an earlier attempt stays in status() until there is an address again.
    stale = radio.status()
    started = time.ticks_ms()
    try:
        radio.connect(ssid, password or None)
    except OSError as error:
        _restart_radio(radio)
        raise Failure(failure.NOT_JOINED, str(error)) from None
    associated = False
    ask_ms = _ASK_AFTER_MS
    while time.ticks_diff(time.ticks_ms(), started) < JOIN_MS:
        await asyncio.sleep_ms(_STEP_MS)
        if radio.isconnected():
            station.joined = (ssid, password)
            log.info("%s%s as %s" % (contract.LOG_JOINED, ssid, station.address()))
            return
        if not associated and station.rssi():
            associated = True
            progress("address")
        status = radio.status()
        # The address may have come since it was asked for: then the next turn finds it.
        if status not in (_CONNECTING, _IDLE, _GOT_IP, stale):
            raise _explained(status, ssid, password)
        if status == stale and time.ticks_diff(time.ticks_ms(), started) > ask_ms:
            ask_ms += _ASK_EVERY_MS
            if not associated and _has_ended(radio, ssid, password):
                station.leave()
                raise _explained(status, ssid, password)
    status = radio.status()
    station.leave()
    if associated:
        raise Failure(failure.NO_ADDRESS, "time-out")
    # Whatever the status, it is no reason: an attempt that ended would have been noticed.
    _count_hangs(radio)
    raise Failure(failure.NOT_JOINED, "time-out, driver status %d" % status)


def _has_ended(radio, ssid, password):
    """Whether the attempt is over although its reason is the one of the attempt before it.

    A driver that is still connecting refuses to begin anew ("Wifi Internal State Error").
    """
    if radio.status() in (_CONNECTING, _IDLE):
        return False
    try:
        radio.connect(ssid, password or None)
    except OSError:
        return False
    return True


def _explained(status, ssid, password):
    detail = "driver status %d" % status
    if status in _ABSENT_REASONS:
        return Failure(failure.NETWORK_NOT_FOUND, detail)
    if status in _PASSWORD_REASONS and password:
        # Only names are kept, and of few networks: what a person tries is not a leak.
        if len(station.refusals) > 5:
            station.refusals.clear()
        station.refusals[ssid] = station.refusals.get(ssid, 0) + 1
        if station.refusals[ssid] >= SURE_AFTER:
            return Failure(failure.WRONG_PASSWORD, detail)
    return Failure(failure.NOT_JOINED, detail)


def _count_hangs(radio):
    station.hung += 1
    if station.hung >= RESTART_AFTER:
        station.hung = 0
        log.warning("wifi: the radio hangs, it is switched off and on")
        _restart_radio(radio)


def _restart_radio(radio):
    """A driver that refuses to connect is stuck in a state of its own."""
    radio.active(False)
    radio.active(True)
    radio.config(reconnects=0)
