"""Whose data the board holds: what another owner or another id has left is never delivered.

Loaded at the start, before anything of it is read, and unloaded. Readings belong to the id in the
file `owner` beside them. Every step that decides is one rename or one new name, which LittleFS does
atomically; where the power goes in between, the next start goes on.
"""

import asyncio
import json
import os

from esp32 import NVS

from mote import config, contract, log, memory, starts, update

STORE = "/store"
# The readings of the id before, while a configuration with another one is on probation.
_PARKED = "/store.old"
# Readings that nobody will ever see again, until they are removed.
_GONE = "/store.gone"
_OWNER = "/owner"
# While it is there, everything is to be erased.
MARK = contract.ERASE_MARK
_ANNOUNCED = "/announced.json"
# In NVS: those of `starts`, and the time of `clock.floor`.
_COUNTERS = ("quick", "crashes", "untold", "nonce", "floor")
_IS_FOLDER = 0x4000


def begin_erasing():
    """Erase all that the owner left at the next start, whatever happens to the power meanwhile."""
    try:
        with open(MARK, "w"):
            pass
    except OSError:
        # A full flash has no room for a name: what can be erased is erased now.
        _erase()


def finish_erasing():
    """Erase what `begin_erasing` was called for, in this start or one before.

    Return False where the flash refuses: then nothing of what is there may be used.
    """
    if not _exists(MARK):
        return True
    try:
        _erase()
        os.remove(MARK)
    except OSError as error:
        log.error("app: the flash cannot be erased: errno %s" % error.errno)
        return False
    log.info("app: everything that the owner before left is erased")
    return True


def claim_at_start(settings, damage, safe_mode):
    """See that the readings of another id are never delivered under this one. Raises OSError."""
    if damage == "damaged":
        # Whose they are is not known, and nothing is delivered.
        return
    try:
        claim(settings and settings["id"], config.on_probation())
    except OSError:
        # Safe mode delivers no readings, and shows what is wrong.
        if not safe_mode:
            raise


def claim(device, on_probation=False):
    """Forget what belongs to another id than `device`; None is a board without a configuration.

    While the configuration is `on_probation`, the readings of the other id are kept aside: they are
    back with the old configuration. Raises OSError.
    """
    _remove(_GONE)
    owner = _owner(STORE)
    if owner == "" and device:
        # Written by an earlier version, which kept no owner: they are of the id that the board has.
        owner = device
        _write_owner(device)
    if not device:
        if owner == "":
            _remove_atomically(STORE)
        return
    if owner == device:
        if not on_probation:
            _remove(_PARKED)
        return
    if _owner(_PARKED) == device:
        _remove_atomically(STORE)
        os.rename(_PARKED, STORE)
        return
    if owner is not None:
        _let_go(on_probation)
    os.mkdir(STORE)
    _write_owner(device)


def _let_go(on_probation):
    """Forget what belongs to another id, its readings last: they say that something is left."""
    log.info("app: the readings of another id are " + ("kept aside" if on_probation else "erased"))
    _forget_reports()
    if on_probation and not _exists(_PARKED):
        os.rename(STORE, _PARKED)
        return
    if not on_probation:
        _forget_work()
        _remove_atomically(_PARKED)
    _remove_atomically(STORE)


async def release():
    """Remove the readings that were kept aside: the new configuration stays."""
    try:
        for _ in _removing(_PARKED):
            # There may be hundreds of files: the board goes on with its other work in between.
            await asyncio.sleep_ms(0)
    except OSError as error:
        # The next start removes them.
        log.warning("run: readings of the id before stay: errno %s" % error.errno)


def _erase():
    # First of all the passwords.
    config.erase()
    _forget_reports()
    _forget_work()
    for folder in (STORE, _PARKED, _GONE):
        _remove(folder)


def _forget_reports():
    """What would be published of the time before."""
    for path in (starts.TRACE, _ANNOUNCED):
        _remove_file(path)


def _forget_work():
    """What is not finished, and the counters; those of bundles stay: they protect the board."""
    from mote.update import incoming

    incoming.clear()
    memory.forget("mote.update.incoming")
    _forget_sender()
    _forget_counters()


def _forget_counters():
    store = NVS("mote")
    for key in _COUNTERS:
        try:
            store.erase_key(key)
        except OSError:
            # It was never written.
            pass
    # The readings that had the numbers of starts are gone: this is the first.
    store.set_i32("starts", 1)
    store.commit()


def _forget_sender():
    """A version on trial is judged all the same, but nobody waits for the outcome."""
    try:
        with open(update.NOTE) as file:
            note = json.load(file)
        if "fault" in note:
            os.remove(update.NOTE)
        elif note.pop("nonce", None):
            config.write(update.NOTE, json.dumps(note))
    except (OSError, ValueError, AttributeError):
        pass


def _owner(folder):
    """Whose readings a folder holds: an empty text where nobody wrote it, None without a folder."""
    try:
        with open(folder + _OWNER) as file:
            return file.read()
    except OSError:
        return "" if _exists(folder) else None


def _write_owner(device):
    config.write(STORE + _OWNER, device)


def _remove_atomically(folder):
    """With a cut in between, all of it is there under its name, or nothing."""
    if _exists(folder):
        os.rename(folder, _GONE)
        _remove(_GONE)


def _remove(folder):
    for _ in _removing(folder):
        pass


def _removing(folder):
    """Remove a folder with all that is in it; yields after each step."""
    if not _exists(folder):
        return
    # Listed before anything is removed.
    for entry in list(os.ilistdir(folder)):
        path = folder + "/" + entry[0]
        if entry[1] & _IS_FOLDER:
            yield from _removing(path)
        else:
            os.remove(path)
        yield
    os.rmdir(folder)


def _remove_file(path):
    try:
        os.remove(path)
    except OSError:
        pass


def _exists(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False
