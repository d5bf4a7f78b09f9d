"""The heap: how much is left, and how modules that are done give theirs back."""

import gc
import sys

# What modules that are forgotten leave behind for good.
kept = []
_heap_low = 1 << 29


def forget(*modules):
    """Give back the memory of modules, and of those inside them, until they are imported again."""
    # What is forgotten for want of memory leaves little for the list of it.
    gc.collect()
    found = []
    for name in sys.modules:
        if any(name == one or name.startswith(one + ".") for one in modules):
            found.append(name)
    for name in found:
        del sys.modules[name]
        package, _, own = name.rpartition(".")
        # The package may be gone already.
        if package in sys.modules and hasattr(sys.modules[package], own):
            delattr(sys.modules[package], own)
    gc.collect()


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


def heap_low():
    """The fewest bytes free that `free_heap` has seen: what is left for the unforeseen."""
    return _heap_low
