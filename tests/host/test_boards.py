"""The profiles of provisioning/boards: what stands there is what the chip can do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from motekit import boards
from motekit.boards import BoardError
from motesim.chips import CHIPS

KEYS = sorted(file.stem for file in boards.FOLDER.glob("*.toml"))
# Roles whose line the chip itself pulls down.
DRIVEN = ("sda", "scl", "onewire", "dht")
GOOD = """
name = "A board"
chip = "ESP32"

[pins]
sda = 21
scl = 22
onewire = 15
dht = 4
analog = 34
button = 0

[led]
kind = "plain"
pin = 2
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of profiles with nothing in it yet, in place of Mote's own."""
    monkeypatch.setattr(boards, "FOLDER", tmp_path)
    boards.profiles.cache_clear()
    yield tmp_path
    boards.profiles.cache_clear()


def test_every_profile_loads_under_the_name_of_its_file() -> None:
    assert KEYS
    assert sorted(boards.profiles()) == KEYS
    for key in KEYS:
        assert boards.profile(key).key == key


@pytest.mark.parametrize("key", KEYS)
def test_the_pins_of_a_profile_exist_on_its_chip_and_can_do_their_work(key: str) -> None:
    profile = boards.profile(key)
    chip = CHIPS[profile.chip.lower()]
    pins = profile.pins.model_dump()
    used = set(pins.values())
    assert used <= chip.pins
    assert pins["analog"] in chip.adc_pins - chip.adc2_pins
    assert not {pins[role] for role in DRIVEN} & chip.input_only
    if profile.led.kind != "none":
        assert profile.led.pin in chip.pins - chip.input_only
        used.add(profile.led.pin)
    assert len(used) == len(pins) + (profile.led.kind != "none"), "two roles share a pin"


def test_each_chip_has_exactly_one_board_that_it_is_taken_for() -> None:
    defaults = [one.chip.lower() for one in boards.profiles().values() if one.default]
    assert sorted(defaults) == sorted(CHIPS)
    for chip in CHIPS:
        assert boards.default_for(chip).chip.lower() == chip


def test_an_unknown_board_is_refused_with_the_list_of_those_there_are() -> None:
    with pytest.raises(BoardError, match="no board 'esp9000'") as refused:
        boards.profile("esp9000")
    for key in KEYS:
        assert key in str(refused.value)


def test_an_unknown_chip_is_refused_by_its_name() -> None:
    with pytest.raises(BoardError, match="chip esp9000"):
        boards.default_for("esp9000")


def test_a_profile_of_ones_own_is_a_file_in_the_folder(folder: Path) -> None:
    (folder / "mine.toml").write_text(GOOD, encoding="utf-8")
    assert list(boards.profiles()) == ["mine"]
    assert boards.profile("mine").pins.analog == 34


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('name = "A board"', 'name = "A board"\nantenna = "good"'),
        ("sda = 21", "sdaa = 21"),
        ("sda = 21", ""),
        ("sda = 21", "sda = 49"),
        ("sda = 21", "sda = -1"),
        ("sda = 21", 'sda = "D21"'),
        ('chip = "ESP32"', 'chip = "ESP8266"'),
        ('kind = "plain"', 'kind = "lamp"'),
        ("pin = 2", ""),
        ('kind = "plain"', 'kind = "none"'),
        ("pin = 2", "pin = 2\n[led]\n"),
        ('name = "A board"', 'name = "A board"\nkey = "other"'),
        ('name = "A board"', 'name = "A board"\ntxpower = 30'),
    ],
)
def test_a_profile_with_a_wrong_key_or_pin_is_refused_with_the_name_of_its_file(
    folder: Path, right: str, wrong: str
) -> None:
    assert right in GOOD
    (folder / "mine.toml").write_text(GOOD.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(BoardError, match=r"mine\.toml"):
        boards.profiles()
