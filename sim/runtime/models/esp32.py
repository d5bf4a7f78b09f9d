"""`esp32` of the port: chip temperature, IDF heaps, non-volatile storage, application slots."""

import idf_heap
import partition
import world

_slots = partition.Slots()
Partition = partition.partition(_slots)
HEAP_DATA = 4
HEAP_EXEC = 1
WAKEUP_ALL_LOW = False
WAKEUP_ANY_HIGH = True

if world.ask("chip.has", "raw_temperature"):

    def raw_temperature():
        return world.ask("chip.fahrenheit")

else:

    def mcu_temperature():
        return world.ask("chip.celsius")


def idf_heap_info(capabilities):
    return [tuple(region) for region in idf_heap.info(capabilities)]


class NVS:
    def __init__(self, namespace):
        self._namespace = namespace

    def set_i32(self, key, value):
        world.ask("nvs.set", self._namespace, key, value)

    def get_i32(self, key):
        return world.ask("nvs.get", self._namespace, key, "i32")

    def set_blob(self, key, value):
        world.ask("nvs.set", self._namespace, key, world.to_hex(value))

    def get_blob(self, key, buffer):
        data = world.from_hex(world.ask("nvs.get", self._namespace, key, "blob"))
        buffer[: len(data)] = data
        return len(data)

    def erase_key(self, key):
        world.ask("nvs.erase", self._namespace, key)

    def commit(self):
        world.ask("nvs.commit")
