"""Decides what the board does: set-up or running; restarts it out of anything unexpected."""

import asyncio
import gc
import sys
import time

import micropython

from mote import (
    __version__,
    board,
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
    from mote import startup

    settings, reason = startup.decide()
    # What decides is not needed any more, and there are minutes in which every KB counts.
    del startup
    memory.discard("mote.startup", "mote.identity", "mote.shares")
    asyncio.create_task(led.run())
    if update.due():
        from mote.update import trial

        tasks.start(trial.watch())
        del trial
    if reason != "crashed":
        asyncio.create_task(starts.settle())
    # Modes are loaded when they are needed, and end in a restart.
    if reason:
        from mote import setup

        system.restart(await setup.run(settings, reason))
    from mote import running

    why = await running.run(settings)
    system.restart(*why)
