"""One request from a stream, however the network cuts it."""

import gc

from mote.portal import request


class Stream:
    """Gives `data` in pieces of `size`."""

    def __init__(self, data, size):
        self.data = data
        self.size = size

    async def read(self, count):
        count = min(count, self.size)
        piece, self.data = self.data[:count], self.data[count:]
        return piece


async def status_of(data, size=512):
    try:
        await request.read_request(Stream(data, size))
    except request.Refused as refused:
        return refused.status
    return 200


async def test_the_limit_of_a_head_is_the_same_however_it_is_cut():
    around = b"GET / HTTP/1.1\r\nX: \r\n\r\n"
    for length, status in ((-1, 200), (0, 200), (1, 413), (3, 413), (100, 413), (600, 413)):
        filling = b"x" * (request.HEAD_MAX - len(around) + length)
        data = around[:-4] + filling + around[-4:]
        for size in (512, 500, 1, 7):
            assert await status_of(data, size) == status, (length, size)


async def test_requests_leave_nothing_behind_on_the_heap():
    async def ask(number):
        # A length that is one character, another each time, from the first with three bytes on.
        code = 0x800 + number
        character = bytes((0xE0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63))
        data = b"POST / HTTP/1.1\r\nContent-Length: " + character + b"\r\n\r\n"
        assert await status_of(data) == 400

    await ask(0)
    gc.collect()
    before = gc.mem_alloc()
    for number in range(1, 1000):
        await ask(number)
    gc.collect()
    assert gc.mem_alloc() - before < 1024
