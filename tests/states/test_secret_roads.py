"""A stranger at a portal that opened by itself, and what he gets: the real firmware on the air.

Judged by a server of our own that writes down what comes: the password is in none of it.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from mote import contract
from motesim import AccessPoint

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "tests" / room) for room in ("running", "portal", "mqtt")]

from authority import Authority  # noqa: E402
from board_in_setup import ask, submit  # noqa: E402
from house_of_one import SERVER  # noqa: E402
from walked import HOME, Walk, walk  # noqa: E402

pytestmark = pytest.mark.anyio

PASSWORD = "the stored MQTT password"
EVIL = "Free WiFi"


class Stranger:
    """A server under the name of the board's own, which writes down what comes, and lets all in."""

    def __init__(self) -> None:
        self.heard = b""
        self.asked = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            self.heard += data
            self.asked.set()
            # CONNACK: the login is accepted (MQTT 3.1.1, 3.2).
            writer.write(b"\x20\x02\x00\x00")
        writer.close()


@asynccontextmanager
async def portal_that_opened_by_itself(
    folder: Path, **mqtt: Any
) -> AsyncIterator[tuple[Walk, Stranger]]:
    """A board whose WiFi is away; a stranger's open network, and his server in it."""
    config = {"mqtt": {"host": SERVER, "password": PASSWORD, **mqtt}}
    async with walk(folder, config, wifi_up=False, broker=False) as w:
        stranger = Stranger()
        listening = await asyncio.start_server(stranger.serve, "127.0.0.1", w._broker.port)
        try:
            await w.world.add_access_point(AccessPoint(EVIL, ""))
            await w.sees(contract.LOG_SETUP, timeout=120)
            yield w, stranger
        finally:
            listening.close()


def entries(**changes: str) -> bytes:
    same = {"id": "dev", "ssid": HOME[0], "host": SERVER, "port": "1883", "interval": "1"}
    return urlencode(same | changes).encode()


async def post(w: Walk, path: str, body: bytes) -> tuple[int, str]:
    """Status and page; a board that is short of memory says "in a second", and is asked again."""
    for _ in range(5):
        answer = await submit(w.board, path, body)
        if answer.status != 503:
            break
        await asyncio.sleep(1)
    return answer.status, answer.body.decode()


async def trial_over(w: Walk) -> None:
    """Returns when no trial is under way (any more)."""
    async with asyncio.timeout(120):
        while b'"trying"' in (await ask(w.board, "/status")).body:
            await asyncio.sleep(0.2)


async def test_the_password_of_a_board_with_tls_is_not_sent_in_clear(tmp_path) -> None:
    ca = Authority("home").pem
    stored = {"port": 8883, "tls": True, "ca": ca}
    async with portal_that_opened_by_itself(tmp_path, **stored) as (w, stranger):
        # Same host, no TLS, a foreign open network, empty passwords; then the evil twin.
        for ssid in (EVIL, HOME[0]):
            status, _ = await post(w, "/save", entries(ssid="", ssid_other=ssid))
            await trial_over(w)
            await post(w, "/save-anyway", b"")
            assert PASSWORD.encode() not in stranger.heard
            assert status == 422
        assert not stranger.heard
        assert not any(PASSWORD in line for line in w.board.log)


async def test_a_board_without_tls_does_not_send_it_into_another_network(tmp_path) -> None:
    async with portal_that_opened_by_itself(tmp_path) as (w, stranger):
        evil = {"ssid": "", "ssid_other": EVIL}
        for more in ({}, {"mqtt_password": "a guess"}, {"host": "evil.example"}):
            status, _ = await post(w, "/save", entries(**evil, **more))
            await trial_over(w)
            assert status == 422 and not stranger.heard, more


async def test_the_button_opens_the_whole_form_and_no_password_follows(tmp_path) -> None:
    async with portal_that_opened_by_itself(tmp_path) as (w, stranger):
        assert b"Only another WiFi is accepted here" in (await ask(w.board)).body
        await w.board.press("boot", 5)
        await w.sees(contract.LOG_RESTART + "BOOT was held", contract.LOG_SETUP)
        assert b"Only another WiFi is accepted here" not in (await ask(w.board)).body
        evil = {"ssid": "", "ssid_other": EVIL}
        status, page = await post(w, "/save", entries(**evil))
        assert status == 422 and "Enter it again" in page
        status, _ = await post(w, "/save", entries(**evil, mqtt_password="a new one"))
        assert status == 303
        async with asyncio.timeout(120):
            await stranger.asked.wait()
        assert b"a new one" in stranger.heard and PASSWORD.encode() not in stranger.heard
