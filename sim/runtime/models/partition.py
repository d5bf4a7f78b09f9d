"""The application slots of the flash and what the boot loader makes of them, as ESP-IDF does it.

Two sectors of `otadata` hold an entry each: sequence number, state, checksum of the number
(esp_flash_partitions.h). The higher valid number is booted; a new image is booted once, and is
aborted unless it was marked as valid by then (bootloader_utility.c, esp_ota_ops.c).
"""

import binascii
import struct

SECTOR = 4096
OTADATA = 0xD000
# Label -> subtype, address, size: partitions-4MiBplus.csv and partitions-4MiB-ota.csv of the port.
ONE_SLOT = {"factory": (0x00, 0x10000, 0x1F0000)}
TWO_SLOTS = {"ota_0": (0x10, 0x10000, 0x180000), "ota_1": (0x11, 0x190000, 0x180000)}
NEW, PENDING, VALID, INVALID, ABORTED = 0, 1, 2, 3, 4
_ENTRY = "<I20sII"
# esp_image_format.h, esp_app_desc.h.
_IMAGE_MAGIC = b"\xe9"
_DESCRIPTION = 0x20
_DESCRIPTION_MAGIC = b"\x32\x54\xcd\xab"
ENOENT = 2
ESP_ERR_OTA_VALIDATE_FAILED = -5379


class Slots:
    """`chip` is the whole flash: read(place, buffer), write(place, data), erase(place)."""

    def __init__(self):
        self.chip = self.running = None
        self.table = {}

    def attach(self, chip, two_slots):
        """To a chip whose partition table has one slot, or two."""
        self.chip = chip
        self.table = TWO_SLOTS if two_slots else ONE_SLOT

    def boot(self):
        """What the boot loader does; then `running` is the slot that it starts, or None."""
        labels = sorted(self.table)
        if len(labels) == 1:
            self.running = labels[0]
            return
        for sector, (number, state) in enumerate(self._entries()):
            if state == PENDING:
                self._write(sector, number, ABORTED)
        active = self._active()
        self.running = labels[0]
        if active is not None:
            number, state = self._entries()[active]
            if state == NEW:
                self._write(active, number, PENDING)
            self.running = labels[(number - 1) % 2]
        if not self._is_image(self.running):
            others = [label for label in labels if self._is_image(label)]
            self.running = others[0] if others else None

    def release(self):
        """The version in the description of the running image, or an empty text."""
        head = bytearray(48 + _DESCRIPTION)
        self.chip.read(self.table[self.running][1], head)
        if bytes(head[_DESCRIPTION : _DESCRIPTION + 4]) != _DESCRIPTION_MAGIC:
            return ""
        return str(bytes(head[_DESCRIPTION + 16 :]).split(b"\0")[0], "ascii")

    def select(self, label):
        """esp_ota_set_boot_partition. Raises OSError for what is no image."""
        if not self._is_image(label):
            raise OSError(ESP_ERR_OTA_VALIDATE_FAILED)
        index = sorted(self.table).index(label)
        active = self._active()
        if active is None:
            self._write(0, index + 1, NEW)
            return
        number = self._entries()[active][0] + 1
        while (number - 1) % 2 != index:
            number += 1
        self._write(1 - active, number, NEW)

    def confirm(self):
        """esp_ota_mark_app_valid_cancel_rollback."""
        active = self._active()
        if active is None:
            raise OSError(ENOENT)
        self._write(active, self._entries()[active][0], VALID)

    def next(self, label):
        """The label of the slot that an update goes to. Raises OSError when there is none."""
        others = [one for one in self.table if one != label and self.table[one][0] >= 0x10]
        if not others:
            raise OSError(ENOENT)
        return others[0]

    def _is_image(self, label):
        first = bytearray(1)
        self.chip.read(self.table[label][1], first)
        return first == _IMAGE_MAGIC

    def _entries(self):
        """(sequence number, state) of both sectors; number 0 for one that is not whole."""
        found = []
        for sector in range(2):
            entry = bytearray(32)
            self.chip.read(OTADATA + sector * SECTOR, entry)
            number, _, state, checksum = struct.unpack(_ENTRY, entry)
            whole = checksum == _checksum(number) and number != 0xFFFFFFFF
            found.append((number if whole else 0, state))
        return found

    def _active(self):
        best = None
        entries = self._entries()
        for sector, (number, state) in enumerate(entries):
            if number and state not in (INVALID, ABORTED):
                if best is None or number > entries[best][0]:
                    best = sector
        return best

    def _write(self, sector, number, state):
        place = OTADATA + sector * SECTOR
        self.chip.erase(place)
        self.chip.write(place, struct.pack(_ENTRY, number, b"\xff" * 20, state, _checksum(number)))


def _checksum(number):
    return binascii.crc32(struct.pack("<I", number), 0xFFFFFFFF)


def partition(slots):  # noqa: C901
    """The class `esp32.Partition` over these slots."""

    class Partition:
        BOOT, RUNNING = 0, 1
        TYPE_APP, TYPE_DATA = 0, 1

        def __init__(self, id, block_size=SECTOR):
            self._label = slots.running if id in (0, 1) else id
            if self._label not in slots.table:
                raise OSError(ENOENT)

        @classmethod
        def find(cls, type=0, subtype=0xFF, label=None, block_size=SECTOR):
            if type != cls.TYPE_APP:
                return []
            return [
                cls(one)
                for one in sorted(slots.table)
                if subtype in (0xFF, slots.table[one][0]) and label in (None, one)
            ]

        def info(self):
            return (0,) + slots.table[self._label] + (self._label, False)

        def readblocks(self, block_num, buf, offset=0):
            slots.chip.read(slots.table[self._label][1] + block_num * SECTOR + offset, buf)

        def writeblocks(self, block_num, buf, offset=None):
            place = slots.table[self._label][1] + block_num * SECTOR
            if offset is None:
                if len(buf) % SECTOR:
                    raise OSError(-258)
                for at in range(0, len(buf), SECTOR):
                    slots.chip.erase(place + at)
            slots.chip.write(place + (offset or 0), buf)

        def ioctl(self, cmd, arg):
            if cmd == 4:
                return slots.table[self._label][2] // SECTOR
            if cmd == 5:
                return SECTOR
            if cmd == 6:
                slots.chip.erase(slots.table[self._label][1] + arg * SECTOR)
            return 0

        def set_boot(self):
            slots.select(self._label)

        @classmethod
        def mark_app_valid_cancel_rollback(cls):
            slots.confirm()

        def get_next_update(self):
            return Partition(slots.next(self._label))

    return Partition
