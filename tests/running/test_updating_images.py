"""Updates over the air of MicroPython itself, on a virtual board with two slots for it."""

import asyncio
import random
import struct
from pathlib import Path

import pytest
from mote import contract
from motekit import boards, update
from updated import Owner, owned

pytestmark = pytest.mark.anyio
# ESP-IDF: esp_image_header_t with the number of the chip, the head of a segment, esp_app_desc_t.
ESP32, ESP32_C3 = 0, 5
BOARD = boards.default_for("esp32")


def image(folder: Path, release: str, chip: int = ESP32, size: int = 50_000) -> Path:
    """What a boot loader takes for an image of MicroPython `release`."""
    head = struct.pack("<BBBBIB3xHBHH4xB", 0xE9, 1, 2, 0x2F, 0x40080000, 0xEE, chip, 0, 0, 399, 1)
    described = struct.pack("<II", 0x3F400020, 256) + struct.pack(
        "<III4x32s", 0xABCD5432, 0, 0, release.encode()
    )
    rest = random.Random(release).randbytes(size - len(head) - len(described))
    file = folder / f"{release}.app-bin"
    file.write_bytes(head + described + rest)
    return file


async def test_an_image_is_sent_booted_and_confirmed(tmp_path) -> None:
    async with owned(tmp_path, two_slots=True) as owner:
        board = owner.board
        assert board.core.slot == "ota_0"
        await owner.send(bundle(owner, "1.28.0"))
        assert (board.core.slot, board.core.release) == ("ota_1", "1.28.0")
        # It is confirmed: another restart changes nothing, and the next one goes to the first slot.
        since = len(board.log)
        await board.reset()
        await board.wait_for_log(contract.LOG_FIRST_READING, 60, since=since)
        assert board.core.slot == "ota_1"
        await owner.send(bundle(owner, "1.29.0"))
        assert (board.core.slot, board.core.release) == ("ota_0", "1.29.0")


async def test_an_image_that_restarts_before_it_is_online_is_undone(tmp_path) -> None:
    async with owned(tmp_path, two_slots=True) as owner:
        sending = asyncio.create_task(owner.send(bundle(owner, "1.28.0")))
        await owner.board.wait_for_log(contract.LOG_UPDATE_TRIAL + "1.28.0", 120)
        assert owner.board.core.slot == "ota_1"
        await owner.board.cut_power()
        await owner.board.power_on()
        with pytest.raises(update.UpdateError, match="rolled back: it did not start, or restarted"):
            await sending
        assert (owner.board.core.slot, owner.board.core.release) == ("ota_0", "1.27.0")


async def test_an_image_goes_on_where_it_was_after_a_power_cut(tmp_path) -> None:
    async with owned(tmp_path, two_slots=True) as owner:
        there: list[int] = []
        sending = asyncio.create_task(
            owner.send(bundle(owner, "1.28.0"), lambda _, done, __: there.append(done))
        )
        async with asyncio.timeout(180):
            while not there or there[-1] < 40_000:
                await asyncio.sleep(0.02)
        await owner.board.cut_power()
        await owner.board.power_on()
        await sending
        # Noted every 32 KiB.
        assert there.count(0) == 2 and there.count(32_768) == 2
        assert owner.board.core.release == "1.28.0"


async def test_what_does_not_fit_the_board_is_refused(tmp_path) -> None:
    async with owned(tmp_path, two_slots=True) as owner:
        good = bundle(owner, "1.28.1")
        for words, refused in (
            ("is for ESP32C3", owner.signed(good, chip="ESP32C3")),
            ("for the board tinypico, this is", owner.signed(good, board="tinypico")),
            ("1.26.0 is older than 1.27.0", bundle(owner, "1.26.0")),
            ("has 1562 KB, the slot for it 1536 KB", bundle(owner, "1.28.2", size=1_600_000)),
        ):
            with pytest.raises(update.UpdateError, match=words):
                await owner.send(refused)
        with pytest.raises(update.BundleError, match="no application image"):
            update.make_image(places_of(tmp_path), "1.28.0", owner.key, board=BOARD)
        with pytest.raises(update.BundleError, match="for the chip ESP32C3, the board"):
            bundle(owner, "1.28.1", chip=ESP32_C3)
        assert not any(contract.LOG_RESTART in line for line in owner.board.log)


def places_of(folder: Path) -> Path:
    """A file that is no image."""
    file = folder / "readme.txt"
    file.write_text("not an image, whatever its name")
    return file


def bundle(owner: Owner, release: str, **about: int) -> update.Bundle:
    file = image(owner.folder, release, **about)
    return update.make_image(file, release, owner.key, board=BOARD)
