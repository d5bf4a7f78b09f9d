"""The heap: how much is left, and how modules that are done give theirs back."""

import gc
import sys

# Bytes that have to be free beside Python's heap with a TLS connection, for an update or a long
# command: it makes that grow by 14 KB, and the network goes on (MEMORY.md).
_BESIDE_TLS = 32 * 1024
# What modules that are forgotten leave behind for good.
kept = []
_heap_low = 1 << 29


def forget(*modules):
    """Give back the memory of modules, and of those inside them, until they are imported again."""
    _taken_out(modules)
    gc.collect()


def discard(*modules):
    """As `forget`, for modules that nobody uses any more: they are emptied.

    The collector takes what an ended call left on the stack for pointers, and from one function
    it is a step to all of its module.
    """
    for module in _taken_out(modules):
        module.__dict__.clear()
    gc.collect()


def _taken_out(names):
    # What is forgotten for want of memory leaves little for the list of it.
    gc.collect()
    found = []
    for name in sys.modules:
        if any(name == one or name.startswith(one + ".") for one in names):
            found.append(name)
    modules = []
    for name in found:
        modules.append(sys.modules.pop(name))
        package, _, own = name.rpartition(".")
        # The package may be gone already.
        if package in sys.modules and hasattr(sys.modules[package], own):
            delattr(sys.modules[package], own)
    return modules


def free_heap():
    """Bytes free for Python after a collection; remembers the least.

    Without the collection it would say how long ago the last one was.
    """
    global _heap_low
    gc.collect()
    free = gc.mem_free()
    _heap_low = min(_heap_low, free)
    return free


def beside():
    """Bytes free beside Python's heap, for WiFi, the network and TLS; and those in one piece."""
    from esp32 import HEAP_DATA, idf_heap_info

    regions = idf_heap_info(HEAP_DATA)
    return sum(region[1] for region in regions), max(region[2] for region in regions)


def is_short_beside_tls(server):
    """Whether a connection to `server`, settings, has TLS and leaves Python no room to grow."""
    return server["tls"] and beside()[0] < _BESIDE_TLS


def heap_low():
    """The fewest bytes free that `free_heap` has seen: what is left for the unforeseen."""
    return _heap_low
