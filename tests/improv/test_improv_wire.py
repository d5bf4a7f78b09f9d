"""What else comes over the wire: Ctrl-C, mpremote, damaged frames, clients of another kind."""

import asyncio
import contextlib
import os
import sys

import pytest
from board_in_setup import board_in_setup
from house_of_one import HOME, home
from mote import contract
from mote.improv import frames
from motesim import AccessPoint, VirtualBoard
from mqtt_ear import ear
from sdk import PROVISIONED, READY, Refused, client

pytestmark = [pytest.mark.anyio, pytest.mark.node]
STATE, INFO, NETWORKS = (frames.frame(frames.COMMAND, bytes((one, 0)))[1:-1] for one in (2, 3, 4))


class Wire:
    """The port of a board as any program opens it."""

    def __init__(self, board: VirtualBoard) -> None:
        self._board = board
        self.got = b""

    async def __aenter__(self) -> "Wire":
        self._end = os.open(self._board.serial_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._end, self._read)
        return self

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._end)
        os.close(self._end)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            self.got += os.read(self._end, 4096)
        self._news.set()

    async def send(self, data: bytes, answer: bytes, times: int = 1) -> None:
        """Send `data` and wait until `answer` has come that often since."""
        self.got = b""
        os.write(self._end, data)
        async with asyncio.timeout(90):
            while self.got.count(answer) < times:
                self._news.clear()
                await self._news.wait()


async def mpremote(board: VirtualBoard, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mpremote", "connect", board.serial_path, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed = (await asyncio.wait_for(process.communicate(), 180))[0].decode()
    assert process.returncode == 0, printed
    return printed.strip()


async def test_mpremote_stops_a_board_in_set_up_and_reads_it() -> None:
    async with board_in_setup() as board:
        names = await mpremote(board, "resume", "exec", "import os; print(os.listdir())")
        assert "main.py" in names
        assert any("stopped by Ctrl-C" in line for line in board.log)


async def test_mpremote_stops_a_board_that_still_starts() -> None:
    async with board_in_setup() as board:
        await board.reset()
        # No time for the portal: what is typed waits until somebody listens.
        assert await mpremote(board, "resume", "eval", "6 * 7") == "42"


async def test_mpremote_stops_a_board_at_work(tmp_path) -> None:
    async with home(tmp_path) as house:
        board = await house.board()
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        assert await mpremote(board, "resume", "eval", "6 * 7") == "42"
        # The soft reset of the raw REPL runs boot.py alone.
        assert await mpremote(board, "eval", "1 + 1") == "2"


async def test_mpremote_takes_over_a_board_that_a_stray_ctrl_c_stopped() -> None:
    async with board_in_setup() as board:
        board.serial.type(b"\x03")
        await board.wait_for_log(contract.LOG_STOPPED, 60)
        assert await mpremote(board, "resume", "eval", "6 * 7") == "42"
        assert not any(contract.LOG_RESTART in line for line in board.log)


async def test_mpremote_works_where_a_client_left_half_a_frame() -> None:
    async with board_in_setup() as board:
        async with Wire(board) as wire:
            await wire.send(STATE, b"IMPROV\x01\x01\x01\x02")
            board.serial.type(INFO[:8])
            # Within half a second it could still go on, and a busy board is late to see that.
            await asyncio.sleep(3)
        assert await mpremote(board, "resume", "eval", "6 * 7") == "42"


async def test_ctrl_c_leads_to_the_repl_and_what_is_typed_behind_it_is_for_the_repl() -> None:
    async with board_in_setup() as board, Wire(board) as wire:
        await wire.send(b"\r\x03print('at the ' + 'REPL')\r\n", b"\nat the REPL")
        assert any("stopped by Ctrl-C" in line for line in board.log)


async def test_a_damaged_frame_is_refused_and_the_client_goes_on() -> None:
    async with board_in_setup() as board, client(board) as sdk:
        await sdk.meet()
        await sdk.ask("raw", (INFO[:-1] + b"\x00").hex())
        await sdk.told({"error": 1})
        await sdk.ask("raw", INFO[:9].hex())
        await asyncio.sleep(3)
        assert await sdk.ask("getDeviceName") == board.device_id
        # A command whose data end before the text that they announce.
        await sdk.ask("raw", frames.frame(frames.COMMAND, b"\x01\x02\x09a").hex())
        await sdk.told({"error": 1}, times=2)
        assert await sdk.ask("getDeviceName") == board.device_id
        assert not any("stopped" in line for line in board.log)


async def test_the_byte_of_ctrl_c_is_a_byte_like_others_in_a_frame() -> None:
    # As a length, in the password, and in the sum of it all.
    ssid, secret = "abc", "a\x03b\x03c\x03d"
    data = b"\x01\x0d\x03abc\x08" + secret.encode()
    total = sum(frames.frame(frames.COMMAND, data + b"\0")[1:-2])
    secret += next(chr(last) for last in range(32, 127) if (total + last) & 255 == 3)
    async with board_in_setup(AccessPoint(ssid, secret)) as board, client(board) as sdk:
        await sdk.meet()
        await sdk.ask("provision", ssid, secret, 150_000)
        assert sdk.events[-1] == {"state": PROVISIONED}
        assert any(f"{contract.LOG_JOINED}{ssid} as" in line for line in board.log)


async def test_a_client_that_waits_for_no_answer_gets_all_of_them() -> None:
    """ESPHome's and Home Assistant's ask for state, device and networks, one behind the other."""
    async with board_in_setup() as board, Wire(board) as wire:
        end = frames.result(4, ())
        await wire.send(STATE + INFO + NETWORKS, end)
        assert frames.frame(frames.STATE, b"\x02") in wire.got
        assert b"\x04" + contract.PRODUCT.encode() in wire.got and b"\x05ESP32" in wire.got
        assert wire.got.count(b"IMPROV\x01\x04") == 2 + len(
            {"Mote Home", "Café Mokka ☕", "FRITZ!Box 7590 AX", 'O\'Neill "5G" <b>&amp;'}
            | {"Twelve 0123456789 0123456789 012", "new router", "Neighbour"}
        )
        # The log goes on between the frames, each of which is a line of its own.
        await wire.send(STATE * 3, frames.frame(frames.STATE, b"\x02"), times=3)


async def test_an_installer_meets_a_board_at_work_and_the_readings_go_on(tmp_path) -> None:
    async with home(tmp_path) as house:
        board = await house.board()
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        async with client(board) as sdk:
            met = await sdk.meet()
            assert met["name"] == "dev" and sdk.events[-1] == {"state": PROVISIONED}
            assert await sdk.ask("url") is None
            with pytest.raises(Refused, match="BAD_HOSTNAME"):
                await sdk.ask("setDeviceName", "other")
            async with ear([], "-p", str(house.broker.port), "-t", "sensors/dev/#", "-R") as heard:
                await heard.wait_for(lambda topic, payload: True, 60)
        assert not any(contract.LOG_RESTART in line for line in board.log)


async def test_a_board_at_work_changes_its_wifi_by_an_installer(tmp_path) -> None:
    async with home(tmp_path) as house:
        board = await house.board()
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        await house.world.add_access_point(AccessPoint("new home", "another password"))
        async with client(board) as sdk:
            await sdk.meet()
            networks = await sdk.ask("scan")
            assert [one["name"] for one in networks] == ["home", "new home"]
            since = board.serial.count
            with pytest.raises(Refused, match="UNABLE_TO_CONNECT"):
                await sdk.ask("provision", "new home", "a wrong password", 150_000)
            await sdk.ask("provision", "new home", "another password", 150_000)
            assert sdk.events[-1] == {"state": PROVISIONED}
        await board.wait_for_log(contract.LOG_JOINED + "new home", 60, since)
        await board.wait_for_log(contract.LOG_FIRST_READING, 60, since)


async def test_a_new_board_is_ready_after_a_client_that_went_away() -> None:
    async with board_in_setup(HOME) as board:
        for _ in range(3):
            async with client(board) as sdk:
                await sdk.meet()
                assert sdk.events[-1] == {"state": READY}
