"""Set-up mode: the portal is open, and nothing else is done, until settings are saved."""

import asyncio

from mote import board, led, log, memory, patience, starts, system
from mote.failure import Failure
from mote.portal.site import SAVED
from mote.setup_network import Portal
from mote.wifi import station

_STEP_MS = 200


async def run(settings, reason):
    """Returns why to restart. `settings` is the usable configuration, or None.

    `reason`: "new", "damaged", "button", "erased", "resets" (three quick ones), "improv" (an
    installer at the serial port), "wifi" (away, and no memory for the portal beside running) or
    "crashed".
    """
    mends = starts.to_be_mended(reason, settings)
    trace = starts.traceback() if reason == "crashed" else ""
    portal = Portal(settings, reason, trace, beside=mends)
    await portal.open()
    ended, left = [], []
    rescue = _start_tasks(settings, reason, portal, mends, ended, left)
    while True:
        await asyncio.sleep_ms(_STEP_MS)
        portal.supervise()
        system.feed()
        if portal.finished:
            starts.forget()
            return "settings saved"
        if portal.wants_start:
            starts.once_more()
            return "start once more"
        if "button" in ended:
            # A person is at the board.
            ended.clear()
            portal.site.limited = False
            log.info("setup: BOOT was held: the form changes everything")
        if "erased" in ended:
            from mote import identity

            identity.begin_erasing()
            return "the settings are erased"
        if left and portal.site.state != SAVED:
            return left[0]
        if reason == "crashed":
            if portal.is_unused(patience.SAFE_MODE_MS) and not (rescue and rescue.busy):
                starts.once_more()
                return "nobody came to safe mode"
        elif settings:
            if settings["deep_sleep"] and portal.is_unused(patience.PORTAL_ON_BATTERY_MS):
                system.sleep(patience.SLEEP_ON_BATTERY_MS)
            # An installer that is there never stays silent for long.
            if portal.is_unused(
                patience.VISIT_MS if reason == "improv" else patience.PORTAL_UNUSED_MS
            ):
                if portal.closing:
                    return "the portal was open long enough: the settings are tried again"
                return "nobody came to the portal"


def _start_tasks(settings, reason, portal, mends, ended, left):
    """Start what runs beside the portal; returns the `Rescue`, if there is one.

    `ended` gets what the button was held for, `left` why to restart.
    """
    # Beside running it is there already.
    from mote import console

    unanswered = None
    if reason == "improv":
        # The installer for which the board restarted still waits for its networks.
        from mote.improv.frames import NETWORKS

        unanswered = NETWORKS
    asyncio.create_task(console.listen(portal.converse, unanswered))
    asyncio.create_task(board.watch_button(led.show, ended.append))
    rescue = None
    if mends:
        from mote.rescue import Rescue

        rescue = Rescue(settings, portal, left.append)
        asyncio.create_task(rescue.stay())
    if reason == "wifi":
        asyncio.create_task(_look_for_wifi(portal, settings["wifi"], left.append))
    return rescue


async def _look_for_wifi(portal, networks, leave):
    """Try the known networks while the portal is open because they were away."""
    while True:
        await asyncio.sleep_ms(patience.RETRY_BESIDE_PORTAL_MS)
        waited_ms = patience.RETRY_BESIDE_PORTAL_MS
        # Somebody who uses the portal has the radio for himself, but not for ever.
        while portal.busy and waited_ms < patience.RETRY_IN_USE_MS:
            await asyncio.sleep_ms(_STEP_MS)
            waited_ms += _STEP_MS
        try:
            async with station.trial:
                from mote.wifi import joining

                await joining.join(networks)
                leave("the known WiFi is back")
                return
        except (Failure, MemoryError):
            memory.forget("mote.wifi.joining")
