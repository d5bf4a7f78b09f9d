"""Decides at the start what the board does. Loaded for that, and forgotten."""

from mote import board, config, contract, identity, log, starts, system

# Restarts of ours that lead to set-up.
_ASKED = ("button", "erased", "improv", "wifi")


def decide():
    """Return the settings, or None, and the reason for set-up, empty for running."""
    asked = system.boot_mode()
    usable = identity.finish_erasing()
    start = starts.begin(asked)
    system.start_watchdog()
    board.check_profile()
    settings, damage, fault = _settings() if usable else (None, "damaged", "")
    if (start == "crashed" or damage) and config.on_probation():
        _roll_back(fault)
    identity.claim_at_start(settings, damage, start == "crashed")
    if start == "crashed":
        log.error("app: safe mode: nothing is measured, the portal shows the last fault")
    reason = start or (asked if asked in _ASKED else "") or damage
    _leave_room(settings, reason)
    return settings, reason


def _settings():
    """The configuration, or None and why there is none: "new" or "damaged", and what is wrong."""
    try:
        return config.load(), "", ""
    except config.ConfigError as error:
        log.warning("app: no usable configuration: %s" % error)
        return None, "new" if error.faults == [config.MISSING] else "damaged", str(error)


def _roll_back(fault):
    """A new configuration that breaks a rule, or makes the board crash, gets it online no more."""
    from mote import probation

    log.error(contract.LOG_PROBATION_FAILED)
    probation.failed(fault)
    starts.once_more()
    system.restart("the old configuration is back")


def _leave_room(settings, reason):
    """Python's heap must not take what the network needs, and TLS; set-up may have to try TLS."""
    from mote import shares

    if reason:
        # An update needs more of Python's, and over TLS there is none.
        mends = starts.to_be_mended(reason, settings) and not settings["mqtt"]["tls"]
        mode = "safe mode" if mends else "set-up"
    else:
        mode = "running with TLS" if settings["mqtt"]["tls"] else "running"
    try:
        shares.leave(shares.OTHERS[mode])
    except (MemoryError, OSError) as error:
        log.warning("app: no room is kept for the network: %r" % error)
