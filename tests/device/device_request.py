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


async def read(data, size=512):
    stream = Stream(data, size)
    found, begun = await request.read_head(stream)
    if not found.fault:
        await request.read_body(stream, found, begun)
    return found


async def status_of(data, size=512):
    return (await read(data, size)).fault or 200


async def test_the_limit_of_a_head_is_the_same_however_it_is_cut():
    around = b"GET / HTTP/1.1\r\nX: \r\n\r\n"
    for length, status in ((-1, 200), (0, 200), (1, 431), (3, 431), (100, 431), (600, 431)):
        filling = b"x" * (request.HEAD_MAX - len(around) + length)
        data = around[:-4] + filling + around[-4:]
        for size in (512, 500, 1, 7):
            assert await status_of(data, size) == status, (length, size)


async def test_lines_that_are_not_needed_are_passed_over_whatever_is_in_them():
    odd = bytes(c for c in range(256) if c not in (10, 13))
    for line in (
        b"Cookie: " + b"theme=dark; " * 210,
        b"Cookie: " + odd,
        b"X-" + b"y" * 3000 + b": 1",
        b"Cookie:",
        odd * 20,
        b"Accept-Language: de, " + b"\xc3\xa9" * 400,
    ):
        for size in (512, 1, 7):
            data = b"GET /a?b=c HTTP/1.1\r\n" + line + b"\r\nHost: h\r\n\r\nrest"
            found = await read(data, size)
            assert (found.fault, found.path, found.query, found.host) == (0, "/a", "b=c", "h"), line


async def test_a_request_that_is_refused_keeps_the_host_that_it_asked_for():
    for first, others in (
        (b"BREW / HTTP/1.1", b""),
        (b"GET / HTTP/9", b""),
        (b"nonsense", b""),
        (b"GET /\xff\x00 HTTP/1.1", b""),
        (b"GET /" + b"x" * 4000 + b" HTTP/1.1", b""),
        (b"POST / HTTP/1.1", b"Content-Length: 99999\r\n"),
        (b"POST / HTTP/1.1", b"Content-Length: -1\r\n"),
        (b"POST / HTTP/1.1", b"Transfer-Encoding: chunked\r\n"),
        (b"GET / HTTP/1.1", b"no colon\r\n"),
        (b"GET / HTTP/1.1", b" folded: 1\r\n"),
        (b"GET / HTTP/1.1", b"Host : b\r\n"),
    ):
        found = await read(first + b"\r\n" + others + b"Host: Elsewhere.example:80\r\n\r\n")
        assert found.fault and found.host == "elsewhere.example", first
        endless = first + b"\r\nHost: Elsewhere.example\r\nX: " + b"x" * request.HEAD_MAX
        assert (await read(endless)).host == "elsewhere.example"


async def test_line_ends_of_old_clients_and_a_line_before_the_first_are_taken():
    found = await read(b"\r\n\nPOST /save HTTP/1.0\nHost: h\nContent-Length: 2\n\nok", 3)
    assert (found.fault, found.method, found.host, found.body) == (0, "POST", "h", b"ok")


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
