"""Shares the chip's memory out between Python and what is not Python: WiFi, the network, TLS.

On an ESP32 Python's heap begins with 56 KB, and at the first allocation that does not fit it takes
as much again, at the next one all that is left: then TLS finds too little, or the network stands
still. Nothing bounds that but the largest free block (py/gc.c, `gc_try_add_heap`), so the heap is
made to grow at the start to what it will need, while a thread holds the rest.
Loaded for that, and forgotten. MEMORY.md has the figures.
"""

import _thread
import gc
import time

from mote import memory

# Bytes for the others: WiFi and network 49 KB, TLS 33, the rest is for what arrives meanwhile. In
# set-up mode the access point and the phones take 10 KB more. An update needs 14 KB of Python's.
OTHERS = {
    "running": 70 * 1024,
    "running with TLS": 86 * 1024,
    "set-up": 100 * 1024,
    "safe mode": 70 * 1024,
}
# What Python must have beyond its first 56 KB, whatever is left to the others.
_LEAST = 40 * 1024
# Where so many times its size are left over, the heap may double and double again.
_PLENTY = 3
_STEP_LEAST = 4 * 1024
_PIECE = 250
_PATIENCE_MS = 1_000


def leave(others):
    """Let Python's heap grow now, by what leaves `others` bytes.

    A chip that has more memory than that is left alone. Raises MemoryError, OSError where it cannot
    be done.
    """
    free, largest = memory.beside()
    wanted = max(free - others, _LEAST)
    if wanted >= largest or free - others >= _PLENTY * _heap():
        return
    while wanted >= _STEP_LEAST:
        # At once it takes no more than it has.
        step = min(wanted, _heap())
        _grow_by(step)
        wanted -= step


def _grow_by(step):
    free, largest = memory.beside()
    if step >= largest:
        return
    # The stack of a thread is all that Python can take from there at any size.
    memory.kept.append(_held(largest - step, _grow))
    # The idle task gives back what was held, which may be in one piece with what is left.
    started = time.ticks_ms()
    while memory.beside()[0] < free - (step + largest) // 2:
        if time.ticks_diff(time.ticks_ms(), started) > _PATIENCE_MS:
            raise MemoryError
        time.sleep_ms(1)


def _held(size, work):
    """What `work()` returns, done while `size` bytes are held."""
    lock = _thread.allocate_lock()
    before = _thread.stack_size(size)
    try:
        with lock:
            _thread.start_new_thread(_wait, (lock,))
            return work()
    finally:
        _thread.stack_size(before)


def _wait(lock):
    with lock:
        pass


def _grow():
    before, pieces = _heap(), []
    while _heap() == before:
        pieces.append([None] * _PIECE)
    # An area without anything in it is given back, and what is in its first block does not count
    # (py/gc.c, `last_used_block`): behind that stays the beginning of this one.
    kept = [None] * _PIECE
    kept.clear()
    return kept


def _heap():
    """Bytes of Python's heap: what it counts as free has in it what it could still take."""
    return gc.mem_alloc() + gc.mem_free() - memory.beside()[1]
