"""The portal's HTTP server, over real sockets."""

import asyncio
import socket
import time
from errno import ECONNRESET

import ports
from mote import memory
from mote.portal import http

# This machine is no chip.
memory.beside = lambda: (50_000, 40_000)


async def served(handle, story):
    port = ports.free()
    server = asyncio.create_task(http.Server(handle, port).serve())
    await asyncio.sleep_ms(50)
    try:
        await story(port)
    finally:
        server.cancel()


async def ask(port, data, parts=1):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    size = len(data) // parts + 1
    for start in range(0, len(data), size):
        writer.write(data[start : start + size])
        await writer.drain()
        await asyncio.sleep_ms(5)
    answer = await reader.read(-1)
    writer.close()
    await writer.wait_closed()
    return answer


async def echo(request):
    return http.Response("%s %s %s" % (request.method, request.path, str(request.body, "utf-8")))


async def test_a_request_in_pieces_is_one_request():
    async def story(port):
        post = b"POST /save?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
        for parts in (1, 3, 17):
            answer = await ask(port, post, parts)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer
            assert answer.endswith(b"\r\n\r\nPOST /save hello")
        assert b"Connection: close" in answer and b"Cache-Control: no-store" in answer
        whole = await ask(port, b"GET http://10.0.0.1/path HTTP/1.1\r\nHost: a\r\n\r\n")
        assert whole.endswith(b"GET /path ")

    await served(echo, story)


async def test_what_breaks_the_limits_or_the_grammar_is_refused():
    async def story(port):
        cases = (
            (b"nonsense\r\n\r\n", b"400"),
            (b"BREW / HTTP/1.1\r\n\r\n", b"405"),
            (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
            (b"GET /\xff HTTP/1.1\r\n\r\n", b"400"),
            (b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"400"),
            (b"POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n", b"413"),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", b"431"),
            (b"GET /" + b"x" * 4000 + b" HTTP/1.1\r\n\r\n", b"414"),
        )
        for data, status in cases:
            answer = await ask(port, data)
            assert answer.split(b" ")[1] == status, (data[:40], answer[:40])
        # And the server is as well as before.
        assert b"200 OK" in await ask(port, b"GET / HTTP/1.1\r\n\r\n")
        # A line that nobody needs costs nothing.
        assert b"200 OK" in await ask(port, b"GET / HTTP/1.1\r\nX: " + b"x" * 4000 + b"\r\n\r\n")

    await served(echo, story)


async def test_five_are_served_at_a_time_and_a_sixth_when_one_is_done():
    gate = asyncio.Event()
    inside = []

    async def hold(request):
        inside.append(request.path)
        await gate.wait()
        return http.Response("done")

    async def story(port):
        asks = [asyncio.create_task(ask(port, b"GET /%d HTTP/1.1\r\n\r\n" % i)) for i in range(6)]
        while len(inside) < 5:
            await asyncio.sleep_ms(10)
        await asyncio.sleep_ms(200)
        assert len(inside) == 5
        gate.set()
        for one in asks:
            assert (await one).endswith(b"done")

    await served(hold, story)


async def test_a_client_that_says_nothing_is_sent_away():
    normal = http.DEADLINE_S
    http.DEADLINE_S = 0.3
    try:

        async def story(port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HT")
            await writer.drain()
            # What the server has not read makes it a reset (RFC 9293, 3.10.7.1).
            try:
                assert await asyncio.wait_for(reader.read(-1), 60) == b""
            except OSError as error:
                assert error.errno == ECONNRESET, error
            writer.close()

        await served(echo, story)
    finally:
        http.DEADLINE_S = normal


async def test_an_error_of_a_page_does_not_end_the_server():
    async def broken(request):
        if request.path == "/broken":
            raise RuntimeError("a fault")
        return http.Response("fine")

    async def story(port):
        await ask(port, b"GET /broken HTTP/1.1\r\n\r\n")
        assert (await ask(port, b"GET / HTTP/1.1\r\n\r\n")).endswith(b"fine")

    await served(broken, story)


async def test_who_waits_too_long_is_told_to_come_again():
    gate = asyncio.Event()
    inside = []

    async def hold(request):
        inside.append(request.path)
        await gate.wait()
        return http.Response("done")

    normal = http.TURN_MS
    http.TURN_MS = 300
    try:

        async def story(port):
            asks = []
            for number in range(5):
                asks.append(asyncio.create_task(ask(port, b"GET /%d HTTP/1.1\r\n\r\n" % number)))
            while len(inside) < 5:
                await asyncio.sleep_ms(10)
            for _ in range(2):
                busy = await ask(port, b"GET / HTTP/1.1\r\n\r\n")
                head, _, body = busy.partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: 2\r\n" in head
                assert b"Content-Length: %d" % len(body) in head and b"refresh" in body
            gate.set()
            for one in asks:
                assert (await one).endswith(b"done")
            assert (await ask(port, b"GET / HTTP/1.1\r\n\r\n")).endswith(b"done")

        await served(hold, story)
    finally:
        http.TURN_MS = normal


async def test_a_client_that_says_nothing_makes_room_for_those_who_wait():
    normal = http.SILENT_MS, http.DEADLINE_S, http.TURN_MS
    # Far apart, and on a busy machine all of it takes longer.
    http.SILENT_MS, http.DEADLINE_S, http.TURN_MS = 100, 120, 60_000
    try:

        async def story(port):
            silent = []
            for _ in range(5):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                silent.append(writer)
            started = time.ticks_ms()
            answer = await ask(port, b"GET / HTTP/1.1\r\n\r\n")
            assert answer.endswith(b"GET / ")
            assert time.ticks_diff(time.ticks_ms(), started) < http.DEADLINE_S * 1000
            for writer in silent:
                writer.close()

        await served(echo, story)
    finally:
        http.SILENT_MS, http.DEADLINE_S, http.TURN_MS = normal


def large(size, made):
    def pieces():
        for _ in range(size // 600):
            made.append(600)
            yield b"x" * 600

    return http.Response(pieces(), length=size)


async def small_window(port):
    """A connection whose client takes little at a time."""
    sock = socket.socket()
    # SO_RCVBUF of Linux.
    sock.setsockopt(1, 8, 4096)
    sock.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
    sock.setblocking(False)
    stream = asyncio.StreamReader(sock)
    stream.write(b"GET / HTTP/1.1\r\n\r\n")
    await stream.drain()
    return stream


async def test_a_page_lasts_as_long_as_the_client_takes_some_of_it():
    size, made = 300_000, []

    async def handle(request):
        return large(size, made)

    normal = http.STALL_MS
    http.STALL_MS = 400
    try:

        async def story(port):
            slow = await small_window(port)
            head = await slow.readline()
            while head[-4:] != b"\r\n\r\n":
                head += await slow.readline()
            assert b"\r\nContent-Length: %d\r\n" % size in head
            total, started = 0, time.ticks_ms()
            while True:
                piece = await slow.read(20_000)
                if not piece:
                    break
                total += len(piece)
                await asyncio.sleep_ms(30)
            assert total == size
            assert time.ticks_diff(time.ticks_ms(), started) > http.STALL_MS
            slow.close()

        await served(handle, story)
    finally:
        http.STALL_MS = normal


async def test_a_client_that_takes_nothing_any_more_is_cut_off():
    # More than what a system keeps for a client that does not read.
    size, made = 60_000_000, []

    async def handle(request):
        return large(size, made)

    normal = http.STALL_MS
    http.STALL_MS = 400
    port = ports.free()
    server = http.Server(handle, port)
    task = asyncio.create_task(server.serve())
    await asyncio.sleep_ms(50)
    try:
        deaf = await small_window(port)
        while not server.busy:
            await asyncio.sleep_ms(10)
        while server.busy:
            await asyncio.sleep_ms(10)
        assert 0 < sum(made) < size
        deaf.close()
    finally:
        http.STALL_MS = normal
        task.cancel()


async def test_an_error_of_a_page_is_an_answer():
    async def broken(request):
        raise RuntimeError("a fault")

    async def story(port):
        answer = await ask(port, b"GET / HTTP/1.1\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 500 ") and b"a fault" not in answer

    await served(broken, story)
