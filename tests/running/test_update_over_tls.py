"""An update over TLS: a plain ESP32 has not the memory for both, and says so before it begins."""

import itertools
import sys
from pathlib import Path

import pytest
from house_of_one import SERVER, home
from mote import contract
from motesim.core import Core
from motesim.network.ports import free_port
from mqtt_ear import ear
from test_obeying import Host

sys.path.append(str(Path(__file__).parents[1] / "mqtt"))

from authority import Authority

pytestmark = pytest.mark.anyio


async def test_without_the_memory_it_is_refused_and_with_it_the_bundle_is_judged(tmp_path) -> None:
    plain = free_port()
    certificate = Authority("the home's own CA").issue(SERVER, tmp_path)
    listeners = f"allow_anonymous true\n{certificate}\nlistener {plain} 127.0.0.1"
    async with (
        home(tmp_path, listeners) as place,
        ear([], "-p", str(plain), "-q", "1", "-t", "#") as heard,
    ):
        board = await place.board(mqtt={"host": SERVER, "tls": True, "insecure": True})
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        # The board is at the TLS listener, whoever commands it at the other one.
        place.broker.port = plain
        host = Host(place, heard, board)
        enough, board.core.beside = board.core.beside, (16_592, 14_848)
        answer = await host.ask("n1", cmd="update", begin={"manifest": "{}", "signature": ""})
        assert not answer["ok"] and "too little memory for an update over TLS" in answer["error"]
        board.core.beside = enough
        answer = await host.ask("n2", cmd="update", begin={"manifest": "{}", "signature": ""})
        assert not answer["ok"] and "memory" not in answer["error"]


async def test_where_memory_is_short_a_long_command_is_refused_and_a_short_one_done(
    tmp_path, monkeypatch
) -> None:
    plain = free_port()
    certificate = Authority("the home's own CA").issue(SERVER, tmp_path)
    listeners = f"allow_anonymous true\n{certificate}\nlistener {plain} 127.0.0.1"
    async with (
        home(tmp_path, listeners) as place,
        ear([], "-p", str(plain), "-q", "1", "-t", "#") as heard,
    ):
        # Each login asks twice: before the handshake, and when the connection has its memory.
        told = itertools.cycle([34_056, 16_592])

        def idf_heap(core: Core, capabilities: int) -> list[list[int]]:
            free = next(told)
            return [[113_840, free, min(free, 32_768), free]]

        monkeypatch.setattr(Core, "chip_idf_heap", idf_heap)
        board = await place.board(mqtt={"host": SERVER, "tls": True, "insecure": True})
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        place.broker.port = plain
        host = Host(place, heard, board)
        answer = await host.ask("n1", cmd="log", level="I", filler="x" * 1600)
        assert not answer["ok"] and str(answer["error"]).endswith("at most 1536"), answer
        assert (await host.ask("n2", cmd="log", level="I", filler="x" * 1300))["ok"]
