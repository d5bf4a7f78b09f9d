"""The LED shows the state of the board: STATES.md, "The LED", seen at its pin."""

import asyncio
import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from crowding import within
from house_of_one import ADDRESS, SERVER, Home, home
from mote import contract
from motekit import boards, firmware, places
from motesim import BoardSpec, VirtualBoard

pytestmark = pytest.mark.anyio
# Seconds lit and dark in turn.
SETUP = (1, 1)
JOINING = (0.1, 0.4)
CONNECTED = (0.05, 4.95)
IDENTIFY = (0.05, 0.05)
ERROR = (0.1, 0.15, 0.1, 0.15, 0.1, 1.4)
# What goes over the wire to a WS2812: green, red, blue.
DARK, BLUE, YELLOW = "000000", "000020", "101800"
GREEN, RED = "180000", "002000"
# What is late by more than this is not what it should be: the next flashes may be.
LATE_S, PATIENCE_S = 0.15, 90


class Light:
    """What the pin of a board's LED showed, with the times: a level, or bytes in hex."""

    def __init__(self, board: VirtualBoard) -> None:
        self.seen: list[tuple[float, int | str]] = []
        self._pin = board.profile.led.pin
        for name in ("pin_write", "neopixel_write"):
            setattr(board.pins, name, self._recording(getattr(board.pins, name)))

    def _recording(self, write):
        def record(pin: int, value: int | str) -> None:
            if pin == self._pin:
                self.seen.append((asyncio.get_running_loop().time(), value))
            write(pin, value)

        return record

    def colours(self, since: int = 0) -> list[int | str]:
        """The colours as they followed each other; darkness in between is none."""
        lit = [value for _, value in self.seen[since:] if value != DARK]
        return [value for i, value in enumerate(lit) if i == 0 or lit[i - 1] != value]

    async def shows(self, colour: str, timeout_s: float = 90) -> None:
        """Returns when `colour` is lit, from now on."""
        since = len(self.seen)
        async with asyncio.timeout(timeout_s):
            while not any(value == colour for _, value in self.seen[since:]):
                await asyncio.sleep(0.02)

    async def keeps(self, rhythm: tuple[float, ...], seconds: float, lit: int = 1) -> None:
        """Returns when the light has gone on and off in this rhythm for so long, without a break.

        A busy machine breaks it now and then, the firmware may not.
        """
        loop = asyncio.get_running_loop()
        since, end = len(self.seen), loop.time() + PATIENCE_S
        while not (lasted := self._stretch(since, seconds)) or not goes(lasted, rhythm, lit):
            assert loop.time() < end, (rhythm, self.seen[since:])
            # What is older than the stretch is over, good or bad.
            since += bool(lasted)
            await asyncio.sleep(0.02)

    def _stretch(self, since: int, seconds: float) -> list[tuple[float, int | str]]:
        """The changes from number `since` on, when they fill so many seconds."""
        seen = self.seen[since:]
        return seen if seen and seen[-1][0] - seen[0][0] >= seconds else []


def goes(seen: list[tuple[float, int | str]], rhythm: tuple[float, ...], lit: int) -> bool:
    """Whether these are changes of a light in this rhythm."""
    seen = seen[seen[0][1] != lit :]
    if [value for _, value in seen] != [lit if i % 2 == 0 else 1 - lit for i in range(len(seen))]:
        return False
    lasted = [after - before for (before, _), (after, _) in pairwise(seen)]
    # A rhythm has no beginning: it may be met at any of its flashes.
    turned = [rhythm[i:] + rhythm[:i] for i in range(0, len(rhythm), 2)]
    return len(lasted) >= len(rhythm) and any(fits(lasted, one) for one in turned)


def fits(lasted: list[float], rhythm: tuple[float, ...]) -> bool:
    wanted = (rhythm[i % len(rhythm)] for i in range(len(lasted)))
    return all(s / 2 <= found <= 2 * s + LATE_S for found, s in zip(lasted, wanted, strict=False))


async def added(place: Home, *, configured: bool = True, **spec: object) -> VirtualBoard:
    """A board that is still off, of any kind, that knows the home."""
    config = {
        "version": 1,
        "id": "dev",
        "wifi": [{"ssid": place.wifi.ssid, "password": place.wifi.password}],
        "mqtt": {"host": SERVER},
        "interval": 1,
    }
    made = BoardSpec("dev", config=config if configured else None, **spec)  # type: ignore[arg-type]
    return await place.world.add_board(made)


def with_times(folder: Path, **times_ms: int) -> Path:
    """The firmware with other times: long enough to look at the LED, short enough to wait for."""
    source = folder / "source"
    shutil.copytree(places.FIRMWARE, source, ignore=shutil.ignore_patterns("__pycache__"))
    file = source / "mote" / "patience.py"
    text = file.read_text(encoding="utf-8")
    for name, time_ms in times_ms.items():
        text, count = re.subn(rf"^{name} = [\d_]+$", f"{name} = {time_ms}", text, flags=re.M)
        assert count == 1, name
    file.write_text(text, encoding="utf-8")
    return firmware.build(boards.default_for("esp32"), source)


async def test_set_up_is_one_second_on_and_one_second_off(tmp_path: Path) -> None:
    async with home(tmp_path) as place:
        board = await added(place, configured=False)
        light = Light(board)
        await board.power_on()
        await board.wait_for_log(contract.LOG_SETUP, 60)
        await light.keeps(SETUP, 6)


async def test_joining_is_a_short_flash_twice_a_second(tmp_path: Path) -> None:
    async with home(tmp_path) as place:
        # Without an address the attempt goes on for its full time.
        place.wifi.dhcp = False
        board = await added(place)
        light = Light(board)
        await board.power_on()
        await board.wait_for_log("sensors: rssi", 60)
        await asyncio.sleep(1)
        await light.keeps(JOINING, 4)


async def test_connected_is_one_blink_in_five_seconds(tmp_path: Path) -> None:
    async with home(tmp_path) as place:
        board = await added(place)
        light = Light(board)
        await board.power_on()
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        await light.keeps(CONNECTED, 11)


@pytest.mark.parametrize("missing", ["WiFi", "server", "connection"])
async def test_between_two_attempts_it_is_three_quick_flashes_and_a_pause(
    tmp_path: Path, missing: str
) -> None:
    async with home(tmp_path) as place:
        board = await added(place, firmware=with_times(tmp_path, PAUSE_FIRST_MS=200_000))
        light = Light(board)
        if missing == "WiFi":
            place.world.switch(place.wifi, up=False)
        elif missing == "server":
            # A port that nobody listens on.
            place.world.add_host(SERVER, ADDRESS, {})
        await board.power_on()
        if missing == "connection":
            await board.wait_for_log(contract.LOG_FIRST_READING, 60)
            await place.broker.stop()
            await board.wait_for_log(contract.LOG_DISCONNECTED, 60)
            await place.broker.start()
        else:
            await board.wait_for_log("W ", 60)
        await light.keeps(ERROR, 6)


async def test_with_the_portal_open_beside_running_it_is_set_up_whatever_fails(
    tmp_path: Path,
) -> None:
    async with home(tmp_path) as place:
        times = {"WIFI_LOST_MS": 1_000, "RETRY_BESIDE_PORTAL_MS": 1_500}
        board = await added(place, firmware=with_times(tmp_path, **times))
        light = Light(board)
        place.world.switch(place.wifi, up=False)
        await board.power_on()
        await board.wait_for_log(contract.LOG_SETUP, 60)
        since = len(board.log)
        await light.keeps(SETUP, 10)
        assert any(contract.LOG_JOIN_FAILED in line for line in board.log[since:])


async def test_a_led_that_is_lit_by_a_low_level_shows_the_same(tmp_path: Path) -> None:
    async with home(tmp_path) as place:
        board = await added(place, chip="esp32s3", board="xiao-esp32s3")
        light = Light(board)
        await board.power_on()
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        await light.keeps(CONNECTED, 11, lit=0)


async def test_an_rgb_led_has_a_colour_for_each_state(tmp_path: Path) -> None:
    async with home(tmp_path) as place:
        board = await added(place, chip="esp32s3")
        light = Light(board)
        await board.power_on()
        await light.shows(GREEN)
        assert light.colours() == [YELLOW, GREEN]
        await place.broker.stop()
        await light.shows(RED)
        await place.broker.start()
        await light.shows(GREEN)
        assert set(light.colours()) == {YELLOW, GREEN, RED}
        since = len(light.seen)
        await board.press("boot", 5)
        await board.wait_for_log(contract.LOG_SETUP, 60)
        await light.shows(BLUE)
        # Held for 3 s it says already that this is the moment to let go; then the board restarts.
        assert [c for c in light.colours(since) if c != GREEN] == [BLUE, YELLOW, BLUE]


async def test_holding_boot_shows_blue_at_3_s_and_red_at_10_s(tmp_path: Path) -> None:
    async with home(tmp_path) as place:
        board = await added(place, chip="esp32s3")
        light = Light(board)
        await board.power_on()
        await light.shows(GREEN)
        started = asyncio.get_running_loop().time()
        with within(11):
            holding = asyncio.create_task(board.press("boot", 14))
            await light.shows(BLUE)
            await light.shows(RED)
        holding.cancel()
        at = {c: t - started for t, c in reversed(light.seen) if t > started}
        assert 2.5 < at[BLUE] < 5 * at[RED] / 10
        assert at[RED] > 9.5


async def test_a_board_without_a_led_runs_all_the_same(tmp_path: Path) -> None:
    async with home(tmp_path) as place:
        board = await added(place, board="tinypico")
        light = Light(board)
        await board.power_on()
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        assert board.profile.led.kind == "none" and not board.pins.strips
        assert not light.seen
