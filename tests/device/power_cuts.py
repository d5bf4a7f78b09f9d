"""Power cuts at every flash operation of a change of the configuration, and what the reboot finds.

A scenario is the content of a flash chip, a change, and the documents that may be there afterwards.
"""

import gc
import os

import cut_flash
import vfs
from mote import config

PLACE = "/flash"
SECTORS = 64
config.PATH = PLACE + "/config.json"
config._NEW = PLACE + "/config.new"


def document(name, **mqtt):
    mqtt["host"] = "mqtt.local"
    wifi = [{"ssid": "Home", "password": "home secret"}]
    return config.checked({"version": 1, "id": name, "wifi": wifi, "mqtt": mqtt})


def big(name):
    """As large as it gets with a certificate: two sectors."""
    lines = ((name + "0123456789abcdef" * 4)[:63] + "\n") * 63
    return document(name, tls=True, ca=lines[:4000])


NEXT = document("next")


def chip(*changes, sectors=SECTORS):
    """The content of a chip after `changes`."""
    flash = cut_flash.Flash([None] * sectors)
    cut_flash.make_file_system(flash)
    cut_flash.mount(flash, PLACE)
    for change in changes:
        change()
    vfs.umount(PLACE)
    return flash.image()


def saving(saved):
    return lambda: config.save(saved)


class Scenario:
    """A change of what is on the chip `image`: it is `old` before and `new` afterwards.

    None is a chip without a configuration.
    """

    def __init__(self, image, change, old, new):
        self.image = image
        self.change = change
        self.old = old
        self.new = new
        flash = cut_flash.Flash(image)
        self.accepted = self._changed(flash)
        self.operations = flash.operations
        self.erased = flash.erased
        # Of the last cut: the chip, and the document that the reboot found.
        self.left = self.found = None

    def faults(self, seeds=(0,)):
        """Cut everywhere; gives each cut, with what is wrong after it or None."""
        for operation in range(1, self.operations + 1):
            for kind in cut_flash.KINDS:
                for seed in seeds if kind == cut_flash.GARBAGE else (0,):
                    yield operation, kind, seed, self.fault(operation, kind, seed)

    def fault(self, operation, kind, seed):
        gc.collect()
        flash = cut_flash.Flash(self.image, operation, kind, seed)
        accepted = self._changed(flash)
        if not flash.off:
            return "the power was not cut"
        self.left = flash.image()
        try:
            cut_flash.mount(cut_flash.Flash(self.left), PLACE)
        except OSError as error:
            return f"the file system does not mount: {error!r}"
        try:
            return self._reboot_fault(accepted)
        except Exception as error:
            return repr(error)
        finally:
            vfs.umount(PLACE)

    def _changed(self, flash):
        """Make the change; whether it was accepted."""
        cut_flash.mount(flash, PLACE)
        try:
            self.change()
        except OSError:
            return False
        finally:
            vfs.umount(PLACE)
        return True

    def _reboot_fault(self, accepted):
        found = self.found = loaded()
        if found not in (self.old, self.new):
            return f"neither the old nor the new document but {found}"
        # A person is told of a document that was saved, and not of one that was erased.
        if accepted and self.new and found != self.new:
            return "the document was saved and is not there"
        if found is None and self.old and "config.new" in os.listdir(PLACE):  # noqa: PTH208
            return "what was erased is still in config.new"
        config.save(NEXT)
        if loaded() != NEXT:
            return "the next document was saved and is not there"
        return None


def loaded():
    """The document on the mounted chip; None when there is none. Raises for a damaged one."""
    try:
        return config.load()
    except config.ConfigError as error:
        if error.faults == [config.MISSING]:
            return None
        raise
