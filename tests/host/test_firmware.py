"""`mote firmware`: what goes onto a board."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import segno
from mote import qr
from motekit import boards, firmware, places, update
from motekit.exits import DONE, FAILED

MOTE = Path(sys.executable).with_name("mote")


@pytest.fixture(autouse=True)
def _somebody_else(tmp_path_factory, monkeypatch) -> None:
    """Not the key of who runs the tests."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))


def mote(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([MOTE, *arguments], capture_output=True, text=True)


def test_the_tree_is_compiled_packed_and_knows_its_board(tmp_path) -> None:
    folder = tmp_path / "board"
    made = mote("firmware", str(folder), "--board", "xiao-esp32c3")
    assert made.returncode == DONE and "mpremote fs cp" in made.stdout
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {
        "boot.py",
        "main.py",
        "slots.json",
        "app_a/mote/app.mpy",
        "app_a/mote/portal/ar.page",
    } <= names
    assert not any(name.endswith((".html", ".css", ".md")) for name in names)
    assert [name for name in names if name.endswith(".py")] in (
        ["boot.py", "main.py"], ["main.py", "boot.py"],
    )  # fmt: skip
    profile = json.loads((folder / "app_a" / "mote" / "board.json").read_text())
    assert profile["chip"] == "ESP32C3" and profile["pins"]["button"] == 9


def test_a_password_of_the_setup_network_is_given_along_and_readable_by_its_owner_alone(
    tmp_path,
) -> None:
    assert mote("firmware", str(tmp_path / "a"), "--portal-password", "short").returncode == FAILED
    made = mote("firmware", str(tmp_path / "b"), "--portal-password", "long enough")
    assert made.returncode == DONE and "long enough" not in made.stdout
    file = tmp_path / "b" / "factory.json"
    assert json.loads(file.read_text()) == {"portal_password": "long enough"}
    assert file.stat().st_mode & 0o077 == 0


def test_a_password_is_made_and_shown_with_the_code_that_a_phone_joins_by(tmp_path) -> None:
    folder = tmp_path / "board"
    made = mote("firmware", str(folder), "--protect", "--mac", "24:0a:c4:00:00:10")
    password = json.loads((folder / "factory.json").read_text())["portal_password"]
    assert made.returncode == DONE and len(password) == 10
    assert f"the password {password}" in made.stdout and "join IOT_240AC4000010" in made.stdout
    code = segno.make(qr.wifi("IOT_240AC4000010", password), error="m")
    drawn = io.StringIO()
    code.terminal(drawn, compact=True)
    assert drawn.getvalue().strip() in made.stdout
    again = mote("firmware", str(folder), "--protect")
    assert password not in again.stdout, "each board has its own"
    assert mote("firmware", str(folder), "--mac", "nonsense").returncode == FAILED


def test_the_key_for_updates_is_made_once_and_kept_from_others(tmp_path) -> None:
    made = [mote("firmware", str(tmp_path / name)) for name in "ab"]
    keys = {(tmp_path / name / "app_a/mote/update.key").read_text() for name in "ab"}
    assert keys == {update.public_bytes(update.private_key()).hex()}
    assert update.key_file().stat().st_mode & 0o777 == 0o600
    assert all(str(update.key_file()) in one.stdout for one in made)
    secret = update.private_key().private_numbers().private_value
    files = [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert not any(f"{secret:x}".encode() in path.read_bytes() for path in files)


def test_nobodys_files_are_overwritten(tmp_path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    refused = mote("firmware", str(tmp_path))
    assert refused.returncode == FAILED and "not empty" in refused.stderr
    assert mote("firmware", str(places.FIRMWARE)).returncode == FAILED
    assert (places.FIRMWARE / "mote" / "app.py").is_file()
    assert (tmp_path / "thesis.txt").is_file()


def test_an_unknown_board_is_answered_with_those_there_are(tmp_path) -> None:
    refused = mote("firmware", str(tmp_path / "x"), "--board", "arduino")
    assert refused.returncode == FAILED and "xiao-esp32c3" in refused.stderr


def test_the_same_sources_give_the_same_bytes(tmp_path, monkeypatch) -> None:
    profile = boards.default_for("esp32")
    made = []
    for name in ("one", "two"):
        # Not in the cache, which others use at the same time.
        (tmp_path / name).mkdir()
        monkeypatch.setattr(places, "cache", lambda name=name: tmp_path / name)
        tree = firmware.build(profile)
        files = [p for p in tree.rglob("*") if p.is_file()]
        made.append({p.relative_to(tree): p.read_bytes() for p in files})
    assert made[0] == made[1] and len(made[0]) > 50
