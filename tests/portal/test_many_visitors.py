"""Many phones, slow phones, hostile phones: the portal stays, and so does its memory."""

import asyncio
import json

import pytest
from board_in_setup import ask, board_in_setup, port, raw, submit
from crowding import within

pytestmark = pytest.mark.anyio
SESSIONS = 100
PROBE = "connectivitycheck.gstatic.com"
BAD = b"id=my+plant&ssid=Mote+Home&password=short&host=a+b"


async def session(board) -> None:
    """What one phone does: its probe, the page, a mistake, the page again."""
    assert (await ask(board, "/generate_204", host=PROBE)).status == 302
    assert (await ask(board, Accept_Encoding="gzip")).status == 200
    refused = await submit(board, "/save", BAD)
    assert refused.status == 422 and b"8 to 63 characters" in refused.body
    assert json.loads((await ask(board, "/status")).body)["state"] == "form"


async def test_a_hundred_sessions_in_a_row_run_within_the_heap_of_a_board() -> None:
    async with board_in_setup() as board:
        for _ in range(SESSIONS):
            await session(board)
        faults = [line for line in board.log if "MemoryError" in line or line.startswith("E ")]
        assert not faults


async def test_four_phones_at_once() -> None:
    async with board_in_setup() as board:
        async with asyncio.timeout(120):
            await asyncio.gather(*(session(board) for _ in range(4)))
        assert not any(line.startswith("E ") for line in board.log)


async def test_clients_that_say_nothing_hold_the_portal_for_no_longer_than_their_deadline() -> None:
    async with board_in_setup() as board:
        silent = [await asyncio.open_connection("127.0.0.1", port(board)) for _ in range(8)]
        try:
            with within(12):
                assert (await ask(board)).status == 200
        finally:
            for _, writer in silent:
                writer.close()


async def test_one_that_sends_a_byte_a_second_is_cut_off() -> None:
    async with board_in_setup() as board:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(board))
        cut = asyncio.create_task(reader.read())
        with within(10):
            for _ in range(60):
                writer.write(b"G")
                await asyncio.wait([cut], timeout=1)
                if cut.done():
                    break
        assert cut.done()
        # What was sent and not read makes the end a reset.
        assert isinstance(cut.exception(), ConnectionResetError) or cut.result() == b""


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: 192.168.4.1\r\nA: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n", 414),
        (b"POST /save HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Length: 9999\r\n\r\n", 413),
        (b"POST /save HTTP/1.1\r\nHost: 192.168.4.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 192.168.4.1\r\nHost: evil.example\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"BREW / HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n", 405),
        (b"GET / HTTP/9.9\r\nHost: 192.168.4.1\r\n\r\n", 505),
        (
            b"POST /save HTTP/1.1\r\nHost: 192.168.4.1\r\nOrigin: http://evil.example\r\n"
            b"Content-Length: 0\r\n\r\n",
            403,
        ),
        # A name that was rebound to the board's address is not the board's (DNS rebinding).
        (b"POST /save HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n", 302),
    ],
)
async def test_what_no_browser_of_ours_sends_is_refused(data: bytes, status: int) -> None:
    async with board_in_setup() as board:
        answer = await raw(board, data)
        assert answer.startswith(b"HTTP/1.1 %d" % status), answer[:80]
        assert (await ask(board)).status == 200
