"""The name server of the setup network, judged by dnspython, with hostile datagrams in between."""

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio.to_thread
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest
from board_in_setup import OWN, board_in_setup
from motesim import VirtualBoard

pytestmark = pytest.mark.anyio
NAME = "connectivitycheck.gstatic.com"
# A resolver repeats a question that stays open.
TRIES, WAIT_S = 100, 0.3


def port(board: VirtualBoard) -> int:
    found: int | None = board.network.dns_port()  # type: ignore[attr-defined]
    assert found
    return found


@contextmanager
def stranger(board: VirtualBoard) -> Iterator[Callable[[bytes], int]]:
    """A client that sends whatever it likes to the board's port 53."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        yield lambda data: sock.sendto(data, ("127.0.0.1", port(board)))


async def addresses(board: VirtualBoard, name: str = NAME, kind: str = "A") -> list[str]:
    """What a resolver finds for `name`, asking as often as resolvers do."""

    def ask() -> dns.message.Message:
        question = dns.message.make_query(name, kind, use_edns=0)
        for _ in range(TRIES):
            try:
                return dns.query.udp(question, "127.0.0.1", timeout=WAIT_S, port=port(board))
            except (dns.exception.Timeout, OSError):
                continue
        raise AssertionError(f"no answer to {TRIES} questions")

    answer = await anyio.to_thread.run_sync(ask)
    assert answer.rcode() == dns.rcode.NOERROR and answer.flags & dns.flags.QR
    return [str(item) for rrset in answer.answer for item in rrset]


async def test_every_name_is_the_board_and_other_types_are_empty() -> None:
    async with board_in_setup() as board:
        for name in (NAME, "captive.apple.com", "a.b.c.d.example", "x" * 63 + ".example"):
            assert await addresses(board, name) == [OWN]
        for kind in ("AAAA", "HTTPS", "SVCB", "TXT"):
            assert await addresses(board, NAME, kind) == []


@pytest.mark.parametrize("count", [1, 30])
async def test_empty_datagrams_end_nothing(count: int) -> None:
    # A port scan sends one; the ESP32 port takes it for the end of the connection.
    async with board_in_setup() as board:
        for _ in range(3):
            with stranger(board) as send:
                for _ in range(count):
                    send(b"")
            assert await addresses(board) == [OWN]
        assert not [line for line in board.log if line.startswith("E ") or " dns:" in line]


async def test_datagrams_of_any_size_and_content_end_nothing() -> None:
    rng = random.Random(53)
    async with board_in_setup() as board:
        with stranger(board) as send:
            for size in (1, 2, 11, 12, 17, 511, 512, 513, 600, 1472, 9000, 60_000):
                send(rng.randbytes(size))
                send(bytes(size))
                send(b"\xff" * size)
                send(b"")
            for _ in range(300):
                send(rng.randbytes(rng.randrange(64)))
        assert await addresses(board) == [OWN]
        assert not [line for line in board.log if line.startswith("E ")]
