"""Decides what the board does: set-up or running; restarts it out of anything unexpected."""

import asyncio
import gc
import sys
import time

import micropython

from mote import (
    __version__,
    board,
    config,
    contract,
    led,
    log,
    memory,
    patience,
    starts,
    system,
    tasks,
    update,
)

_PAUSE_S = 5
# What is wrong with the configuration.
_fault = ""
# Collect after so many bytes: a heap that is left to run full is in splinters when it is needed in
# one piece, and on silicon it grows at the expense of WiFi and TLS.
_COLLECT_EVERY = 16 * 1024


def main():
    """Run until power-off. Raises KeyboardInterrupt when the REPL is wanted, with the watchdog fed.

    Ctrl-C alone is not enough: it may be noise on the line, or the end of a terminal program.
    """
    try:
        _run_until_fault()
    except KeyboardInterrupt:
        from mote import console

        system.keep_alive_for_repl()
        log.info("%s%d s" % (contract.LOG_STOPPED, patience.REPL_UNUSED_MS // 1000))
        if not console.key_within(patience.REPL_UNUSED_MS):
            system.restart("nobody typed after Ctrl-C")
        raise


def _run_until_fault():
    gc.threshold(_COLLECT_EVERY)
    told = (contract.LOG_BOOT, __version__, board.chip(), system.reset_cause())
    log.info("%s%s on %s after %s" % told)
    try:
        asyncio.run(_live())
    except Exception as error:
        sys.print_exception(error)
        micropython.kbd_intr(3)
        log.error("app: unexpected %s: %s" % (type(error).__name__, error))
        starts.crashed(error)
        # A fault that comes at once must not turn into a fast loop of resets.
        time.sleep(_PAUSE_S)
        system.restart("unexpected error")


async def _live():
    """Raises the first exception that nobody expected, whichever task it ends."""
    faults = []
    fault = asyncio.Event()

    def unexpected(loop, context):
        faults.append(context["exception"])
        fault.set()

    asyncio.get_event_loop().set_exception_handler(unexpected)
    asyncio.create_task(_work())
    await fault.wait()
    raise faults[0]


async def _work():
    asked = system.boot_mode()
    start = starts.begin(asked)
    system.start_watchdog()
    board.check_profile()
    settings, damage = _settings()
    asyncio.create_task(led.run())
    if update.due():
        _watch_trial()
    if (start == "crashed" or damage) and config.on_probation():
        _roll_back(damage)
    if start == "crashed":
        log.error("app: safe mode: nothing is measured, the portal shows the last fault")
        await _set_up(settings, start)
    asyncio.create_task(starts.settle())
    reason = start or (asked if asked in ("button", "erased", "improv", "wifi") else "")
    if reason or damage:
        await _set_up(settings, reason or damage)
    await _run(settings)


def _watch_trial():
    from mote.update import trial

    tasks.start(trial.watch())


# Modes are loaded when they are needed, and end in a restart.


async def _run(settings):
    _leave_room("running with TLS" if settings["mqtt"]["tls"] else "running")
    from mote import running

    why = await running.run(settings)
    system.restart(*why)


def _leave_room(mode):
    """Python's heap must not take what the network needs, and TLS; set-up may have to try TLS."""
    from mote import shares

    try:
        shares.leave(shares.OTHERS[mode])
    except (MemoryError, OSError) as error:
        log.warning("app: no room is kept for the network: %r" % error)
    memory.forget("mote.shares")


def _roll_back(damage):
    """A new configuration that breaks a rule, or makes the board crash, gets it online no more."""
    from mote import probation

    log.error(contract.LOG_PROBATION_FAILED)
    probation.failed(_fault if damage else "")
    starts.once_more()
    system.restart("the old configuration is back")


async def _set_up(settings, reason):
    # An update needs more of Python's, and over TLS there is none.
    mends = starts.to_be_mended(reason, settings) and not settings["mqtt"]["tls"]
    _leave_room("safe mode" if mends else "set-up")
    from mote import setup

    system.restart(await setup.run(settings, reason))


def _settings():
    """The configuration, or None and why there is none: "new" or "damaged"."""
    global _fault
    try:
        return config.load(), ""
    except config.ConfigError as error:
        _fault = str(error)
        log.warning("app: no usable configuration: %s" % error)
        return None, "new" if error.faults == [config.MISSING] else "damaged"
