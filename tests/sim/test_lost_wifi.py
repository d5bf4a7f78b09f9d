"""What was on its way when the WiFi went arrives nowhere, as on silicon, and late packets late."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from motesim import AccessPoint
from motesim.network.loopback import LoopbackBoard, LoopbackNetwork

HOST, PORT = "192.168.50.2", 1883


class Heard:
    """A server: what each connection brought, in the order in which they came."""

    def __init__(self) -> None:
        self.connections: list[bytes] = []
        self.news = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place = len(self.connections)
        self.connections.append(b"")
        while data := await reader.read(100):
            self.connections[place] += data
            async with self.news:
                self.news.notify_all()
        writer.close()

    async def until(self, connections: list[bytes]) -> None:
        async with asyncio.timeout(90), self.news:
            await self.news.wait_for(lambda: self.connections == connections)


@asynccontextmanager
async def house() -> AsyncIterator[tuple[LoopbackBoard, AccessPoint, Heard]]:
    heard = Heard()
    server = await asyncio.start_server(heard.serve, "127.0.0.1", 0)
    network = LoopbackNetwork()
    network.add_host("server", HOST, {PORT: server.sockets[0].getsockname()[:2]})
    board, wifi = await network.board("board", 0), AccessPoint("home")
    await board.station_up(wifi, None)
    try:
        yield board, wifi, heard
    finally:
        await board.close()
        await network.close()
        server.close()


async def connect(board: LoopbackBoard) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection(*await board.net_connect(HOST, PORT))
    return writer


def test_a_connection_ends_with_its_wifi_and_what_it_had_sent_last_is_gone() -> None:
    async def story() -> None:
        async with house() as (board, wifi, heard):
            old = await connect(board)
            old.write(b"before")
            await heard.until([b"before"])
            wifi.up = False
            old.write(b"lost")
            await board.station_down()
            wifi.up = True
            await board.station_up(wifi, None)
            new = await connect(board)
            new.write(b"after")
            await heard.until([b"before", b"after"])
            old.close()
            new.close()

    asyncio.run(story())


def test_a_short_outage_that_the_station_does_not_notice_delays_what_is_sent() -> None:
    async def story() -> None:
        async with house() as (board, wifi, heard):
            writer = await connect(board)
            wifi.up = False
            writer.write(b"late")
            with_another = await connect(board)
            with_another.write(b"late as well")
            assert not b"".join(heard.connections)
            wifi.up = True
            await heard.until([b"late", b"late as well"])
            writer.close()
            with_another.close()

    asyncio.run(story())
