"""Set-up mode: the portal is open, and nothing else is done, until settings are saved."""

import asyncio

from mote import board, led, log, patience, starts, system
from mote.setup_network import Portal

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
    # Beside running it is there already.
    from mote import console

    unanswered = None
    if reason == "improv":
        # The installer for which the board restarted still waits for its networks.
        from mote.improv.frames import NETWORKS

        unanswered = NETWORKS
    asyncio.create_task(console.listen(portal.converse, unanswered))
    ended, left = [], []
    asyncio.create_task(board.watch_button(led.show, ended.append))
    rescue = None
    if mends:
        from mote.rescue import Rescue

        rescue = Rescue(settings, portal, left.append)
        asyncio.create_task(rescue.stay())
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
        if left:
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
