"""Every round that is stored, in order, whether in a segment or not yet."""

from mote.store.codec import Codec


def since(segments, gathered, number):
    """Every round from `number` on that can be read.

    Each with its number, the readings taken before it, the codec that has just passed it, and the
    bytes that it is in. Only the chunk that is just read is in memory.
    """
    while number < gathered.first:
        head, data = segments.chunk_at(number)
        if head is None:
            break
        yield from _chunk(head.first, head.before, data, number)
        number = head.last + 1
    yield from _chunk(gathered.first, gathered.before, gathered.records, number)


def _chunk(first, before, data, number):
    one = Codec()
    at, end = 0, len(data)
    while at < end:
        at = one.step(data, at)
        if first >= number:
            yield first, before, one, data
        before += len(one.metrics)
        first += 1
