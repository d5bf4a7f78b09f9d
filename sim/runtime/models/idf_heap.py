"""The heap beside Python's: what Python's growth and the network's buffers take of it.

Modelled for the set-up mode of a board without settings, where phones are served, and for running
mode without TLS where a test asks for it (`heap_grows` of the world's core); elsewhere the world's
figures stand as they are. Figures without another source are those of the official 1.27 image in an
emulator (firmware/MEMORY.md), sizes of lwIP those of ESP-IDF's defaults.

Whether Python's heap grows is seen where sockets and flash are used: what is taken and given back
between two such moments is not.
"""

import gc
import os

import time
import world

# CONFIG_LWIP_TCP_SND_BUF_DEFAULT.
SEND_BUFFER = 5_760
# CONFIG_LWIP_TCP_WND_DEFAULT in frames, each in a buffer of the driver of 1.6 KB. What arrives and
# is not read is taken to fill the window, however little the sender has sent.
_UNREAD = 4 * 1600
# An estimate from lwIP's structures: control block, netconn, mailbox, semaphore.
_CONNECTION = 600
# Headers of a segment, its pbuf and its tcp_seg, for each write.
_WRITE = 120
# With less than this nothing is sent or received: seen at 2 KB. The driver takes 1.6 KB a frame.
_STARVED = 3 * 1024
# Acknowledged bytes a millisecond. A real link is slower; the tests are to be quick.
_ACKNOWLEDGED_PER_MS = 400
_STARVED_PAUSE_MS = 5
# The world is told each new least, in steps of so many bytes.
_TELL_EACH = 256

_limit = None
_free = _largest = 0
_base = 0
_told_low = 1 << 20
_growth_ratio = 1.0
_running = False
_connections = []


def running():
    """The firmware begins: what is allocated now is no board's."""
    global _base, _running
    _base = gc.mem_alloc()
    figures = world.ask("chip.running_heap")
    if figures and _has_settings():
        _running = True
        _start(figures)


def access_point_opened():
    """From here on phones come. A board that has settings was running, or is in safe mode."""
    if not _has_settings():
        _start(world.ask("chip.set_up_heap"))


def info(capabilities):
    """Total, free, largest and least free of each region (`esp32.idf_heap_info`)."""
    look()
    # A login with TLS, for one, does not take of what is modelled here.
    if _limit is None or _running or world.ask("chip.beside_is_set"):
        return world.ask("chip.idf_heap", capabilities)
    free = _left()
    return [(113_840, free, min(_largest, free), free)]


def starved():
    """True while there is no memory for the network: it neither sends nor receives."""
    if _limit is None:
        return False
    _grow_if_needed()
    if _left() >= _STARVED:
        return False
    # Whoever polls a socket that has nothing to give would keep this machine busy.
    time.sleep_ms(_STARVED_PAUSE_MS)
    return True


def look():
    """Python's heap is looked at: has it grown?"""
    if _limit is not None:
        _grow_if_needed()
        _left()


def of_client():
    """The buffers of a connection that the board opens, None where they are not modelled.

    The connection itself is in the figures of running mode.
    """
    return Connection(is_client=True) if _running else None


class Connection:
    """The buffers of one TCP connection. `unread` is set where much may arrive: for a client."""

    def __init__(self, is_client=False):
        self.is_client = is_client
        self.unread = False
        self._unacknowledged = self._kept = 0
        self._at = time.ticks_ms()
        _connections.append(self)

    @property
    def size(self):
        """Bytes that it takes of the heap."""
        self._acknowledge()
        return self._kept + (0 if self.is_client else _CONNECTION) + (_UNREAD if self.unread else 0)

    def room(self):
        """How many bytes a write may take now."""
        if _limit is None:
            return SEND_BUFFER
        if starved():
            return 0
        self._acknowledge()
        return min(SEND_BUFFER - self._unacknowledged, _left() - _STARVED)

    def sent(self, count):
        """So many bytes were taken over; they are kept until they are acknowledged."""
        if _limit is not None and count:
            self._unacknowledged += count
            self._kept += count + _WRITE

    def close(self):
        """The connection is closed; what is on its way is sent all the same."""
        self._acknowledge()
        _connections.remove(self)

    def _acknowledge(self):
        now = time.ticks_ms()
        passed, self._at = time.ticks_diff(now, self._at), now
        before = self._unacknowledged
        self._unacknowledged -= min(before, passed * _ACKNOWLEDGED_PER_MS)
        if before:
            # A segment is given back when it is acknowledged, with what is around it.
            self._kept = self._kept * self._unacknowledged // before


def _left():
    global _told_low
    left = max(_free - sum(one.size for one in _connections), 0)
    if left < _told_low - _TELL_EACH:
        _told_low = left
        world.ask("chip.beside_low", left)
    return left


def _has_settings():
    try:
        os.stat("/config.json")
    except OSError:
        return False
    return True


def _start(figures):
    global _limit, _free, _largest, _growth_ratio, _told_low
    _limit, _free, _largest, _growth_ratio = figures
    _told_low = 1 << 20


def _grow_if_needed():
    """Python's heap takes from the other as gc_try_add_heap does (py/gc.c): as much as it has.

    It gets no more than the largest block, and gives nothing back.
    """
    global _limit, _free, _largest
    if gc.mem_alloc() - _base <= _limit:
        return
    gc.collect()
    if gc.mem_alloc() - _base <= _limit or not _largest:
        return
    step = int(min(_limit / _growth_ratio, _largest))
    _limit += int(step * _growth_ratio)
    _free -= step
    _largest = _largest - step or _free
    world.ask("chip.python_grew", step)
