"""The counter of bundles, which only grows, and what `mote bundle` writes into the manifest."""

import json
from pathlib import Path

import pytest
from motekit import update
from motekit.command_table import app
from motekit.update import counters
from typer.testing import CliRunner

MANIFEST = {"kind": "application", "board": "tinypico", "version": "0.2.0"}
LATER = MANIFEST | {"version": "0.3.0"}


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "mote"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time of this computer."""
    told = [1_790_000_000]
    monkeypatch.setattr(counters.time, "time", lambda: told[0])
    return told


def test_the_same_bundle_keeps_its_counter_so_that_an_update_goes_on(clock: list[int]) -> None:
    first = counters.steady(MANIFEST)
    clock[0] += 1000
    assert counters.steady(MANIFEST) == first == 1_790_000_000
    assert counters.steady(LATER) == first + 1000
    # It was replaced since: as a new bundle it may take the place of what replaced it.
    clock[0] += 1000
    assert counters.steady(MANIFEST) == first + 2000


def test_a_clock_that_was_set_back_makes_no_smaller_counter(clock: list[int]) -> None:
    first = counters.steady(MANIFEST)
    clock[0] -= 86_400
    assert counters.steady(LATER) == first


def test_after_a_downgrade_the_way_up_has_a_larger_counter(clock: list[int]) -> None:
    counters.steady(MANIFEST)
    down = MANIFEST | {"version": "0.1.0", "downgrade": {"device": "plant1"}}
    clock[0] += 10
    of_plant1 = counters.steady(down)
    clock[0] += 10
    of_plant2 = counters.steady(down | {"downgrade": {"device": "plant2"}})
    # Interrupted and run again, both go on.
    clock[0] += 10
    assert counters.steady(down) == of_plant1
    assert counters.steady(MANIFEST) > of_plant2


def test_a_damaged_file_of_counters_is_no_reason_to_fail(clock: list[int], data: Path) -> None:
    data.mkdir()
    for content in ("", "[]", '{"last": "x", "made": {}}', '{"last": 1, "made": {"a": 5}}'):
        (data / counters.NAME).write_text(content)
        assert counters.steady(MANIFEST) == clock[0]
    assert (data / counters.NAME).stat().st_mode & 0o777 == 0o600


def bundle(*options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["bundle", *options])
    return done.exit_code, done.output


def test_mote_bundle_sets_counter_board_and_what_a_downgrade_is_for(tmp_path: Path) -> None:
    file = str(tmp_path / "down.bundle")
    code, told = bundle(file, "--downgrade", "--replaces", "9.1.0", "--device", "dev", "--json")
    assert code == 0, told
    manifest = update.read(Path(file)).manifest
    assert manifest["counter"] > 1_790_000_000 and manifest["board"] == "esp32-devkitc"
    assert manifest["downgrade"] == {"replaces": "9.1.0", "device": "dev"}
    assert json.loads(told[told.index("{") :]) == manifest


def test_mote_bundle_says_what_is_missing(tmp_path: Path) -> None:
    file = str(tmp_path / "x.bundle")
    (tmp_path / "x.app-bin").write_bytes(b"\xe9" + bytes(23))
    image = ("--image", str(tmp_path / "x.app-bin"), "--version", "1.28.0")
    for options, words in (
        (("--downgrade",), "--replaces"),
        (("--downgrade", "--device", "a/b"), "'a/b' is not the id of a board"),
        (("--device", "dev"), "need --downgrade"),
        (image, "--image needs --board"),
        ((*image, "--board", "esp32-c3-devkitm"), "the board esp32-c3-devkitm has ESP32C3"),
        ((*image, "--board", "nobody"), "nobody"),
    ):
        code, told = bundle(file, *options)
        assert code and words in " ".join(told.replace("│", " ").split()), (options, told)
        assert not Path(file).exists()
