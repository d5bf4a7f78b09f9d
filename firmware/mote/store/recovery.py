"""What the ring finds on the flash when it opens. Loaded for that, and forgotten."""

import os

from mote.store import shifts
from mote.store.gathering import Gathering
from mote.store.journal import FOLDERS, State
from mote.store.segments import BLOCK

KEPT_FREE = 64 * 1024
LIMIT = 1024 * 1024
# The folder, that of the segments and those of the journal have a pair of blocks each.
_FOLDER_BLOCKS = 2 * (2 + FOLDERS)
# The dates, the file of `wear`, one segment more than there may be, and one block that LittleFS
# copies while it writes.
_FIXED_BLOCKS = _FOLDER_BLOCKS + 4
# A folder's pair of blocks holds at least 28 names.
_A_BLOCK_OF_NAMES = 14


def make_folders(folder):
    for name in ["", "/segments"] + ["/%d" % i for i in range(FOLDERS)]:
        try:
            os.mkdir(folder + name)
        except OSError:
            # It is there, or this says what is wrong.
            os.stat(folder + name)


def most_segments(folder, limit, now):
    """How many segments fit in `limit` bytes, or by default in what the flash has, with `now`."""
    if limit is None:
        flash = os.statvfs(folder)
        # `statvfs` counts a folder's blocks twice.
        own = now + now // _A_BLOCK_OF_NAMES + 2 * _FOLDER_BLOCKS
        limit = min(flash[0] * flash[3] + own * BLOCK - KEPT_FREE, LIMIT)
    most = (limit // BLOCK - _FIXED_BLOCKS) * _A_BLOCK_OF_NAMES // (_A_BLOCK_OF_NAMES + 1)
    return max(most, 2)


def recover(folder, segments, journal, boots):
    """The state, the rounds that are in no segment yet, and the latest unix ms of any round."""
    boots.shifts = shifts.read(folder)
    state, rounds = journal.read()
    newest = segments.last_head()
    peak_ms = boots.unix_ms(None, newest.peak_ms, newest.last) if newest else 0
    written = newest.last if newest else 0
    if state is None:
        state = State()
        oldest, _ = segments.chunk_at(0)
        if oldest:
            state.mark, state.marked = oldest.first - 1, oldest.before
    if written > state.number:
        state.number, state.total = written, newest.after
    gathered = Gathering()
    gathered.begin(state.number + 1, state.total)
    if state.number not in rounds:
        return state, gathered, peak_ms
    first = max(state.number - rounds[state.number][1], written + 1)
    for number in range(first, state.number + 1):
        total, place, record = rounds.get(number, (0, -1, None))
        if place != number - first:
            break
        if not place:
            gathered.begin(first, 0)
        gathered.add(record)
        gathered.before = total - gathered.readings
        ms = boots.unix_ms(gathered.boot, gathered.base, number)
        if ms is not None:
            peak_ms = max(peak_ms, ms + gathered.offset)
    if gathered.first + gathered.rounds <= state.number:
        # A damaged file of the journal: what comes after it cannot be read, what was before can.
        if gathered.rounds:
            segments.add(gathered.head(peak_ms), gathered.records)
        gathered.begin(state.number + 1, state.total)
    return state, gathered, peak_ms
