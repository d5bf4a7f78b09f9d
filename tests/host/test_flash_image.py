"""The image of a board's flash: its bytes, read by MicroPython itself and run by virtual boards."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import flash_images
import pytest
from mote import contract
from motekit import boards, firmware, image
from motekit.config import ConfigError
from motekit.image import ImageError, contents, filesystem
from motesim import AccessPoint, BoardSpec, World
from motesim.errors import SimulationError

RUNTIME = Path(sys.executable).with_name("micropython")
READER = Path(__file__).with_name("mount_image.py")
MB = 1 << 20
CONFIG = {
    "version": 1,
    "id": "plant1",
    "wifi": [{"ssid": "Küche 🌱", "password": "correct horse"}],
    "mqtt": {"host": "mqtt.local"},
}
PROFILES = [boards.default_for(chip) for chip in flash_images.CLASSES]


def runtimes(chip: str) -> list[bytes]:
    """What an image for `chip` is built on here: one made by the test, and the official one."""
    made = [flash_images.synthetic(chip)]
    return made + [
        data
        for data in (file.read_bytes() for file in flash_images.official())
        if image.read(data).chip.lower() == chip
    ]


def built(chip: str = "esp32", **options: object) -> image.Image:
    runtime = image.read(flash_images.synthetic(chip))
    return image.build(boards.default_for(chip), runtime, **options)


def mounted(flash: Path, offset: int, size: int) -> subprocess.CompletedProcess:
    command = [RUNTIME, "-X", "heapsize=24m", READER, flash, str(offset), str(size)]
    return subprocess.run(command, capture_output=True, text=True, timeout=180)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.chip)
def test_micropython_mounts_the_files_reads_every_one_back_and_writes(tmp_path, profile) -> None:
    tree = firmware.build(profile)
    expected = {
        f"/{file.relative_to(tree).as_posix()}": hashlib.sha256(file.read_bytes()).hexdigest()
        for file in tree.rglob("*")
        if file.is_file()
    }
    for data in runtimes(profile.chip.lower()):
        made = image.build(profile, image.read(data), document=CONFIG)
        flash = tmp_path / "flash.bin"
        flash.write_bytes(made.whole())
        files = made.parts[1]
        read = mounted(flash, files.offset, len(files.data))
        assert read.returncode == 0, read.stderr
        answer = json.loads(read.stdout)
        assert answer["files"].pop("/config.json")
        assert answer["files"] == expected and "/main.py" in expected
        assert answer["config"] == CONFIG
        assert answer["written"] == 10000


def test_a_region_of_another_size_does_not_mount_which_is_why_the_table_names_it(tmp_path) -> None:
    made = built()
    flash = tmp_path / "flash.bin"
    flash.write_bytes(made.whole() + bytes(filesystem.blank(4 * MB)))
    files = made.parts[1]
    for wrong in (-filesystem.BLOCK, filesystem.BLOCK, 4 * MB):
        refused = mounted(flash, files.offset, len(files.data) + wrong)
        assert refused.returncode and "OSError" in refused.stdout
    # A board asks the table of the flash that was written, whatever the size of that flash.
    for size in (4 * MB, 8 * MB):
        runtime = image.read(flash.read_bytes()[:size])
        region = runtime.file_system(size)
        assert (region.offset, region.size) == (files.offset, len(files.data))


@pytest.mark.parametrize("chip", flash_images.CLASSES)
def test_a_virtual_board_starts_the_application_from_the_very_bytes(tmp_path, chip) -> None:
    async def story(data: bytes, wanted: str, config: bool) -> None:
        async with World(folder=tmp_path) as world:
            wifi = CONFIG["wifi"][0]
            await world.add_access_point(AccessPoint(wifi["ssid"], wifi["password"]))
            board = await world.add_board(BoardSpec("board", chip, image=data))
            assert board.flash.path.read_bytes() == data
            await board.power_on()
            await board.wait_for_log(contract.LOG_BOOT, 60)
            await board.wait_for_log(wanted, 60)
            assert ("/config.json" in board.flash.files()) == config

    for runtime in map(image.read, runtimes(chip)):
        profile = boards.default_for(chip)
        whole = image.build(profile, runtime).whole()
        asyncio.run(story(whole, contract.LOG_SETUP, config=False))
        whole = image.build(profile, runtime, document=CONFIG).whole()
        asyncio.run(story(whole, contract.LOG_JOINED, config=True))


def test_a_virtual_board_takes_only_an_image_for_its_chip(tmp_path) -> None:
    async def story(data: bytes, chip: str) -> None:
        async with World(folder=tmp_path) as world:
            await world.add_board(BoardSpec("board", chip, image=data))

    with pytest.raises(SimulationError, match="for the chip ESP32, not ESP32C3"):
        asyncio.run(story(built().whole(), "esp32c3"))
    with pytest.raises(SimulationError, match="holds no image"):
        asyncio.run(story(bytes(4 * MB), "esp32"))


def test_the_same_inputs_give_the_same_bytes_on_every_machine_and_day(tmp_path) -> None:
    profile = boards.default_for("esp32")
    first = built(document=CONFIG, portal_password="long enough").whole()
    tree = firmware.build(profile)
    # The same files, written in the other order and years ago.
    other = tmp_path / "other"
    for file in sorted(tree.rglob("*"), reverse=True):
        if file.is_file():
            copy = other / file.relative_to(tree)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
            os.utime(copy, (0, 0))
    again = built(tree=other, document=CONFIG, portal_password="long enough").whole()
    assert again == first
    # In a process with another order of sets and another day.
    program = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1]); import test_flash_image as t;"
        "made = t.built(document=t.CONFIG, portal_password='long enough');"
        "print(hashlib.sha256(made.whole()).hexdigest())"
    )
    alone = subprocess.run(
        [sys.executable, "-c", program, Path(__file__).parent],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert alone.stdout.strip() == hashlib.sha256(first).hexdigest()
    assert built().whole() != first


def test_the_image_of_an_older_micropython_uses_the_place_that_its_table_names() -> None:
    runtime = image.read(flash_images.synthetic(version="1.25.0", table=flash_images.WITH_FILES))
    made = image.build(boards.default_for("esp32"), runtime, flash_size=8 * MB)
    assert [part.offset for part in made.parts] == [0x1000, 0x200000]
    assert len(made.parts[1].data) == 2 * MB


def test_the_files_take_the_whole_rest_of_a_larger_flash() -> None:
    made = built(flash_size=16 * MB)
    assert len(made.parts[1].data) == 14 * MB and len(made.whole()) == 16 * MB


def test_what_flashing_needs_stands_in_the_image() -> None:
    made = built("esp32c3")
    assert (made.chip, made.family, made.flash_size) == ("ESP32C3", "ESP32-C3", 4 * MB)
    assert [(part.name, part.offset) for part in made.parts] == [
        ("micropython", 0), ("files", 0x200000),
    ]  # fmt: skip
    whole = made.whole()
    for part in made.parts:
        assert whole[part.offset : part.offset + len(part.data)] == part.data
        assert not part.offset % filesystem.BLOCK
    assert not made.secret and built(document=CONFIG).secret


@pytest.mark.parametrize("chip", flash_images.CLASSES)
def test_nothing_of_the_official_image_changes_but_its_table(chip: str) -> None:
    for data in runtimes(chip):
        runtime = image.read(data)
        made = image.build(boards.default_for(chip), runtime).parts[0].data
        changed = [at for at in range(len(data)) if made[at] != data[at]]
        assert len(made) == len(data)
        assert {(at + runtime.offset) >> 12 for at in changed} == {0x8}


def test_what_was_put_in_is_found_again() -> None:
    found = contents.look(built(document=CONFIG).whole())
    assert (found.board, found.mote) == ("esp32-devkitc", built().mote)
    assert found.runtime.version == "1.27.0" and not found.fault
    assert found.files["/config.json"] and sum(found.files.values()) < found.used < 1 * MB
    assert [one.name for one in found.runtime.partitions][-1] == "vfs"
    downloaded = contents.look(flash_images.synthetic())
    assert downloaded.region is None and not downloaded.files


def test_damaged_files_are_told_from_none() -> None:
    whole = bytearray(built().whole())
    whole[0x200000:0x202000] = bytes(0x2000)
    assert "no whole LittleFS" in contents.look(bytes(whole)).fault


def test_a_configuration_that_a_board_would_refuse_does_not_go_into_an_image() -> None:
    with pytest.raises(ConfigError) as refused:
        built(document={**CONFIG, "id": "a/b"})
    assert [path for path, _ in refused.value.faults] == ["id"]


def test_another_chip_and_too_much_for_the_flash_are_refused(tmp_path) -> None:
    runtime = image.read(flash_images.synthetic("esp32c3"))
    with pytest.raises(ImageError, match=r"chip ESP32C3, but ESP32 DevKitC has an ESP32.*--board"):
        image.build(boards.default_for("esp32"), runtime)
    (tmp_path / "large").write_bytes(b"x" * (3 * MB))
    with pytest.raises(ImageError, match=r"disk is full: 3145728 bytes.*2097152.*--flash-size"):
        built(tree=tmp_path)
    assert len(built(tree=tmp_path, flash_size=8 * MB).whole()) == 8 * MB
