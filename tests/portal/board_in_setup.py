"""A new board with its portal open, and a phone that speaks plain HTTP to it."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mote import contract
from motesim import AccessPoint, BoardSpec, VirtualBoard, World

OWN = "192.168.4.1"
# A street full of networks: what a scan in a city finds.
STREET = [
    AccessPoint("Mote Home", "correct horse", rssi=-48),
    AccessPoint("Café Mokka ☕", "", rssi=-61),
    AccessPoint("FRITZ!Box 7590 AX", "something else", rssi=-64),
    AccessPoint('O\'Neill "5G" <b>&amp;', "something else", rssi=-66),
    AccessPoint("Twelve 0123456789 0123456789 012", "something else", rssi=-70),
    AccessPoint("eduroam", rssi=-72, authmode=5),
    AccessPoint("new router", "something else", rssi=-75, authmode=6),
    AccessPoint("Mote Home", "correct horse", rssi=-77),
    AccessPoint("hidden", "something else", rssi=-50, hidden=True),
    AccessPoint("Neighbour", "something else", rssi=-84),
]


@dataclass
class Answer:
    """Status, headers by lower-case name, and the body as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


@asynccontextmanager
async def board_in_setup(*air: AccessPoint, **spec: object) -> AsyncIterator[VirtualBoard]:
    async with World() as world:
        for ap in air or STREET:
            await world.add_access_point(ap)
        board = await world.add_board(BoardSpec("board", **spec))  # type: ignore[arg-type]
        await board.power_on()
        await board.wait_for_log(contract.LOG_SETUP, 60)
        yield board


def port(board: VirtualBoard) -> int:
    """The port of this machine that stands for port 80 of the board."""
    found: int = board.network._portal_port()  # type: ignore[attr-defined]
    return found


async def ask(
    board: VirtualBoard, path: str = "/", body: bytes | None = None, host: str = OWN,
    method: str = "", version: str = "1.1", at: int | None = None, **headers: str,
) -> Answer:  # fmt: skip
    """One request, sent as it is given; `at` is another port of this machine that stands for one
    of the board.
    """
    lines = [f"{method or ('GET' if body is None else 'POST')} {path} HTTP/{version}"]
    lines.append(f"Host: {host}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    data = "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")
    return parsed(await raw(board, data, at=at))


async def token(board: VirtualBoard) -> bytes:
    """What the forms of the page have; waits for the end of a trial, whose page has none."""
    async with asyncio.timeout(120):
        while True:
            page = await ask(board, "/progress")
            if page.status == 303:
                page = await ask(board, page.headers["location"])
            if found := hidden(page.body):
                return found
            await asyncio.sleep(0.2)


def hidden(page: bytes) -> bytes:
    """The token in the forms of a page; empty where there are none."""
    if page.startswith(b"\x1f\x8b"):
        page = gzip.decompress(page)
    found = re.search(rb'name="token" value="([0-9a-f]+)"', page)
    return found[1] if found else b""


async def submit(board: VirtualBoard, path: str, fields: bytes = b"", **headers: str) -> Answer:
    """Send a form of the page, as a browser does."""
    body = b"&".join(part for part in (b"token=" + await token(board), fields) if part)
    return await ask(board, path, body, Origin=f"http://{OWN}", **headers)


async def raw(
    board: VirtualBoard, data: bytes, timeout_s: float = 60, at: int | None = None
) -> bytes:
    """What the board answers to these bytes until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", at or port(board))
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(), timeout_s)
    finally:
        writer.close()


def parsed(data: bytes) -> Answer:
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        raise ConnectionResetError(f"the board closed before it had answered: {data!r}")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Answer(int(first.split()[1]), {k.lower(): v for k, v in headers.items()}, body)
