"""Many phones at once, out of the heap that a chip has beside Python's; judged by curl.

curl knows when an answer was cut (exit 18), and comes again when 503 says so (`--retry`).
"""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from board_in_setup import OWN, ask, board_in_setup, port, raw
from motesim import VirtualBoard

pytestmark = pytest.mark.anyio
CURL = shutil.which("curl")
AT_ONCE = 10
# firmware/MEMORY.md: what the network needs to send and receive, with room for a trial with TLS.
LEAST_BESIDE = 20 * 1024


async def fetched(board: VirtualBoard, folder: Path, number: int, *options: str) -> bytes:
    """The page as curl got it."""
    assert CURL, "curl is not installed"
    file = folder / f"{number}.html"
    command = [CURL, "--silent", "--show-error", "--fail", "--retry", "20", "--max-time", "60"]
    command += ["--noproxy", "*", "--header", f"Host: {OWN}", "--output", str(file), *options]
    await asyncio.to_thread(
        subprocess.run, [*command, f"http://127.0.0.1:{port(board)}/"], check=True
    )
    return file.read_bytes()


@pytest.mark.parametrize("options", [(), ("--compressed",)], ids=["plain", "gzip"])
async def test_ten_phones_at_once_all_get_the_page(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    async with board_in_setup() as board:
        wanted = await fetched(board, tmp_path, 0, *options)
        assert wanted.rstrip().endswith(b"</html>") and b'name="ssid"' in wanted
        for _ in range(2):
            got = await asyncio.gather(
                *(fetched(board, tmp_path, number, *options) for number in range(AT_ONCE))
            )
            assert all(page == wanted for page in got)
        assert board.core.beside_low > LEAST_BESIDE, "the network has lost its heap"
        assert not [line for line in board.log if "MemoryError" in line or line.startswith("E ")]


async def test_phones_with_and_without_gzip_and_silent_ones_in_between(tmp_path: Path) -> None:
    async with board_in_setup() as board:
        silent = [await asyncio.open_connection("127.0.0.1", port(board)) for _ in range(8)]
        try:
            got = await asyncio.gather(
                *(
                    fetched(board, tmp_path, number, *(["--compressed"] if number % 2 else []))
                    for number in range(AT_ONCE)
                )
            )
        finally:
            for _, writer in silent:
                writer.close()
        assert len(set(got)) == 1 and got[0].rstrip().endswith(b"</html>")
        assert board.core.beside_low > LEAST_BESIDE


async def test_every_answer_says_its_length_to_old_and_new_clients() -> None:
    async with board_in_setup() as board:
        for version in ("1.0", "1.1"):
            for headers in ({}, {"Accept_Encoding": "gzip"}):
                for path, method, body in (
                    ("/", "GET", None),
                    ("/status", "GET", None),
                    ("/save", "POST", b"id=plant1&ssid=Mote+Home&password=short"),
                    ("/nothing", "GET", None),
                    ("/save", "BREW", b""),
                    ("/wpad.dat", "GET", None),
                ):
                    answer = await ask(board, path, body, method=method, version=version, **headers)
                    assert int(answer.headers["content-length"]) == len(answer.body), path
                head = await ask(board, method="HEAD", **headers)
                page = await ask(board, **headers)
                assert head.headers["content-length"] == page.headers["content-length"]
                assert head.body == b""


ODD = bytes(c for c in range(256) if c not in (10, 13))
NOT_NEEDED = (
    b"Cookie: " + b"session=0123456789; " * 125,
    b"Cookie: name=\xe9\xff\x80\xf0\x9f",
    b"X-Forwarded: " + ODD,
    ODD * 20,
    b"User-Agent: " + b"Mozilla/5.0 " * 400,
)
REFUSED = (
    b"CONNECT captive.apple.com:443 HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"BREW /pot HTTP/1.1",
    b"GET / HTTP/2.0",
    b"GET /%s HTTP/1.1" % (b"x" * 5000),
    b"GET /\xf0\x9f\x98\x80\x00 HTTP/1.1",
    b"GET",
    b"POST /save HTTP/1.1\r\nContent-Length: 999999",
    b"POST /save HTTP/1.1\r\nTransfer-Encoding: chunked",
    b"GET / HTTP/1.1\r\nbroken line",
    b"GET / HTTP/1.1\r\nCookie",
    b"GET / HTTP/1.1\r\n folded: line",
)
ELSEWHERE = b"\r\nHost: captive.apple.com\r\n\r\n"


async def test_headers_that_are_not_needed_change_nothing() -> None:
    async with board_in_setup() as board:
        for line in NOT_NEEDED:
            answer = await raw(
                board, b"GET / HTTP/1.1\r\n" + line + b"\r\nHost: " + OWN.encode() + b"\r\n\r\n"
            )
            assert answer.startswith(b"HTTP/1.1 200 ") and b'name="ssid"' in answer, line[:40]


async def test_another_host_is_led_to_the_portal_whatever_else_is_in_the_request() -> None:
    async with board_in_setup() as board:
        first = b"GET /generate_204?x=1 HTTP/1.1\r\n"
        requests = (*REFUSED, *(first + line for line in NOT_NEEDED))
        answers = await asyncio.gather(
            *(raw(board, request + ELSEWHERE + b"what nobody reads") for request in requests)
        )
        for request, answer in zip(requests, answers, strict=True):
            assert answer.startswith(b"HTTP/1.1 302 "), request[:60]
            assert b"\r\nLocation: http://192.168.4.1/\r\n" in answer
        assert (await ask(board)).status == 200
