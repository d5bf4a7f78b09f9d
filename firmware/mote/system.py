"""The chip itself: restarts with a reason, sleep, watchdog."""

import time

import machine

from mote import contract, log

_CAUSES = {
    machine.PWRON_RESET: "power-on",
    machine.HARD_RESET: "reset",
    machine.WDT_RESET: "watchdog",
    machine.DEEPSLEEP_RESET: "deep-sleep",
    machine.SOFT_RESET: "soft-reset",
}
# Longer than the slowest thing that blocks: a `.local` name that nobody knows takes 12 s.
WATCHDOG_MS = 60_000
# What a restart of ours leaves in RTC memory. "restart" is one without a wish, "steady" says that
# the board ran on for a while: a reset after it is no crash at the start; "wifi" opens the portal
# as it opens by itself when the WiFi is away.
_MODES = (b"restart", b"steady", b"button", b"erased", b"improv", b"wifi")
_TIMER = 0

_watchdog = None


def reset_cause():
    """Why the chip started: power-on, reset, watchdog, deep-sleep or soft-reset."""
    return _CAUSES.get(machine.reset_cause(), "unknown")


def restart(why, mode="restart"):
    """Restart the board; does not return. `mode` is what `boot_mode` says after it."""
    log.info(contract.LOG_RESTART + why)
    mark(mode)
    # The last line has to leave the UART.
    time.sleep_ms(100)
    machine.reset()


def mark(mode):
    """What `boot_mode` shall say after the next reset, whoever does it."""
    machine.RTC().memory(mode.encode())


def sleep(duration_ms):
    """Sleep deeply and start anew; does not return."""
    log.info(contract.LOG_SLEEP + "%d s" % (duration_ms // 1000))
    time.sleep_ms(100)
    machine.deepsleep(duration_ms)


def boot_mode():
    """What the run before this one left, once: why it restarted, or empty after a power-on."""
    memory = machine.RTC().memory()
    if memory:
        machine.RTC().memory(b"")
    # Nothing says that it was us who wrote there.
    return str(memory, "ascii") if memory in _MODES else ""


def start_watchdog():
    """From here on a board that does not `feed` for a minute is reset. It cannot be stopped."""
    global _watchdog
    _watchdog = machine.WDT(timeout=WATCHDOG_MS)


def feed():
    """Tell the watchdog that the work goes on; call it only from where progress is proven."""
    if _watchdog:
        _watchdog.feed()


def keep_alive_for_repl():
    """Feed the watchdog by a timer while a person works at the REPL."""
    if _watchdog:
        machine.Timer(_TIMER).init(period=WATCHDOG_MS // 4, callback=lambda _: _watchdog.feed())
