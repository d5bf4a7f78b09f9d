"""How a configured board gets into a WiFi, and what it says when it does not."""

from pathlib import Path

import pytest
from board_in_setup import submit
from house_of_one import SERVER, home
from mote import contract
from motesim import AccessPoint, BoardSpec

pytestmark = pytest.mark.anyio
# A name that fills the driver's buffer: the password lies right behind it.
LONG_NAME = AccessPoint("a name of exactly 32 bytes -----", "kept to itself")


def saved(*networks: AccessPoint) -> list[dict[str, str]]:
    return [{"ssid": one.ssid, "password": one.password} for one in networks]


async def test_of_several_networks_the_strongest_is_joined_and_then_the_next(
    tmp_path: Path,
) -> None:
    async with home(tmp_path) as place:
        garden = AccessPoint("garden", "another password", rssi=-75)
        attic = AccessPoint("attic", "a third password", rssi=-82)
        for one in (garden, attic):
            await place.world.add_access_point(one)
        board = await place.board(wifi=saved(attic, garden, place.wifi))
        for strongest in (place.wifi, garden, attic):
            seen = len(board.log)
            joined = await board.wait_for_log(contract.LOG_JOINED, 60, since=seen)
            assert f"{contract.LOG_JOINED}{strongest.ssid} as" in joined
            await board.wait_for_log(contract.LOG_CONNECTED, 60, since=seen)
            place.world.switch(strongest, up=False)


async def test_a_refused_password_is_called_wrong_only_the_second_time_and_nothing_is_erased(
    tmp_path: Path,
) -> None:
    async with home(tmp_path) as place:
        wrong = AccessPoint(place.wifi.ssid, "not the right one")
        board = await place.board(wifi=saved(wrong))
        await board.wait_for_log("password was not accepted", 60)
        first, second = [line for line in board.log if contract.LOG_JOIN_FAILED in line][:2]
        assert "did not let the board in" in first
        assert "password was not accepted" in second
        await board.cut_power()
        assert b"not the right one" in board.flash.read("config.json")
        assert "not the right one" not in "\n".join(board.log)


async def test_a_name_of_32_bytes_does_not_bring_the_password_onto_the_log(tmp_path: Path) -> None:
    async with home(tmp_path) as place:
        await place.world.add_access_point(LONG_NAME)
        board = await place.board(wifi=saved(LONG_NAME))
        line = await board.wait_for_log(contract.LOG_JOINED, 60)
        assert f"{contract.LOG_JOINED}{LONG_NAME.ssid} as" in line
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        assert board.radio.station.credentials().endswith(LONG_NAME.password.encode())
        assert LONG_NAME.password not in "\n".join(board.log)


async def test_nor_does_a_trial_in_the_portal_whether_it_fails_or_not(tmp_path: Path) -> None:
    async with home(tmp_path) as place:
        await place.world.add_access_point(LONG_NAME)
        board = await place.world.add_board(BoardSpec("new"))
        await board.power_on()
        await board.wait_for_log(contract.LOG_SETUP, 60)
        for password in ("a wrong password", LONG_NAME.password):
            body = f"id=new&ssid={LONG_NAME.ssid}&password={password}&host={SERVER}&port=1883"
            tried = await submit(board, "/save", f"{body}&interval=1".replace(" ", "+").encode())
            assert tried.status == 303
            ends = contract.LOG_SAVED if password == LONG_NAME.password else "setup: trial: "
            await board.wait_for_log(ends, 60)
        assert board.radio.station.credentials().endswith(LONG_NAME.password.encode())
        said = "\n".join(board.log)
        assert LONG_NAME.ssid in said
        assert LONG_NAME.password not in said and "a wrong password" not in said


async def test_a_radio_that_hangs_is_switched_off_and_on(tmp_path: Path) -> None:
    async with home(tmp_path) as place:
        garden = await place.world.add_access_point(AccessPoint("garden", "a password", up=False))
        at_start = await place.board()
        at_start.radio.station.hangs = True
        later = await place.board(id="later", wifi=saved(garden))
        # The reason of an earlier attempt covers that the driver is still connecting.
        await later.wait_for_log("was not found", 60)
        later.radio.station.hangs = True
        began = len(later.log)
        place.world.switch(garden, up=True)
        for board, since in ((at_start, 0), (later, began)):
            await board.wait_for_log("the radio hangs", 90, since=since)
            await board.wait_for_log(contract.LOG_FIRST_READING, 60, since=since)
            assert not board.radio.station.hangs
            lines = [line for line in board.log[since:] if contract.LOG_JOIN_FAILED in line]
            assert len(lines) == 3 and all("did not let the board in" in line for line in lines)
            first, _, third = (int(line.split()[1]) / 1000 for line in lines)
            assert 2 * 12 < third - first < 2 * 20, lines


async def test_the_retries_of_the_driver_are_off(tmp_path: Path) -> None:
    async with home(tmp_path) as place:
        board = await place.board()
        assert board.radio.station.reconnects == -1, "until told otherwise it retries for ever"
        await board.wait_for_log(contract.LOG_JOINED, 60)
        assert board.radio.station.reconnects == 0


async def test_an_address_that_comes_between_two_questions_is_no_failure(tmp_path: Path) -> None:
    async with home(tmp_path) as place:
        board = await place.board()
        isconnected = board.radio.wlan_isconnected
        answers: list[bool] = []

        def a_moment_too_early(interface: int) -> bool:
            answers.append(isconnected(interface))
            return answers[-1] and answers.count(True) > 1

        board.radio.wlan_isconnected = a_moment_too_early  # type: ignore[method-assign]
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        assert not any(contract.LOG_JOIN_FAILED in line for line in board.log)
