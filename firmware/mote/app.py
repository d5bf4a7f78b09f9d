"""Decides what the board does: set-up or running; restarts it out of anything unexpected."""

import asyncio
import gc
import sys
import time

from mote import __version__, board, config, contract, log, system

_PAUSE_S = 5
# Collect after so many bytes: a heap that is left to run full is in splinters when a module gets
# compiled, and on silicon it grows at the expense of WiFi and TLS.
_COLLECT_EVERY = 16 * 1024


def main():
    """Run until power-off. Returns only by KeyboardInterrupt, with the watchdog kept quiet."""
    gc.threshold(_COLLECT_EVERY)
    log.info("%s%s on %s after %s" % _boot_line())
    try:
        asyncio.run(_live())
    except KeyboardInterrupt:
        system.keep_alive_for_repl()
        raise
    except Exception as error:
        sys.print_exception(error)
        log.error("app: unexpected %s: %s" % (type(error).__name__, error))
        # A fault that comes at once must not turn into a fast loop of resets.
        time.sleep(_PAUSE_S)
        system.restart("unexpected error")


def _boot_line():
    return contract.LOG_BOOT, __version__, board.chip(), system.reset_cause()


async def _live():
    mode = system.boot_mode()
    settings = None
    reason = "" if mode else "new"
    try:
        settings = config.load()
    except config.ConfigError as error:
        log.warning("app: no usable configuration: %s" % error)
        if error.faults != [config.MISSING]:
            reason = "damaged"
    if settings and not mode:
        # Modes are loaded when they are needed: a board has room for one of them.
        from mote import running

        ended = await running.run(settings)
        system.restart("set-up was asked for", ended)
    from mote import setup

    await setup.run(settings, reason or mode)
    system.restart("settings saved")
