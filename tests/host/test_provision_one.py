"""`mote provision` of one board, as it is typed, over the serial port of a virtual board."""

import json
import subprocess
from pathlib import Path

import pytest
from board_at_usb import Bench, bench, settings
from mote import contract
from motekit.exits import DONE, FAILED, USAGE
from motekit.hub.accounts import Accounts
from terminal import MOTE, environment

WIFI = "secret of the WiFi"


@pytest.fixture
def room():
    with bench() as opened:
        yield opened


@pytest.fixture
def provision(tmp_path: Path):
    def run(*arguments: object, **more: str) -> subprocess.CompletedProcess:
        """Every run sees neither the user's hub nor a terminal."""
        return subprocess.run(
            [MOTE, "provision", *map(str, arguments), "--data", str(tmp_path / "hub")],
            capture_output=True,
            text=True,
            timeout=400,
            env=environment(**{"MOTE_WIFI_PASSWORD": WIFI, **more}),
            stdin=subprocess.DEVNULL,
        )

    return run


def test_a_new_board_gets_its_settings_and_a_login_of_its_own(
    room: Bench, provision, tmp_path: Path
) -> None:
    board = room.board()
    before = board.serial.count
    arguments = (board.serial_path, "--id", "plant1", "--wifi", "Home", "--set", "interval=60")
    done = provision(*arguments, "--server", "10.0.0.2:1884", "--json")
    assert done.returncode == DONE, done.stderr
    (told,) = json.loads(done.stdout)
    held = settings(board)
    assert held["wifi"] == [{"ssid": "Home", "password": WIFI}]
    assert (held["id"], held["interval"], held["version"]) == ("plant1", 60, 1)
    assert (held["mqtt"]["host"], held["mqtt"]["port"]) == ("10.0.0.2", 1884)
    assert held["mqtt"]["user"] == "plant1"
    assert Accounts(tmp_path / "hub").verify("plant1", held["mqtt"]["password"])
    assert told["id"] == "plant1" and told["mac"] == board.mac.upper()
    factory = json.loads(board.flash.read("factory.json"))
    assert told["setup_password"] == factory["portal_password"]
    # It runs with them already.
    room.hears(board, contract.LOG_BOOT, before)
    room.hears(board, contract.LOG_JOIN_FAILED, before)
    # Nobody was told a secret on the way.
    for secret in (WIFI, held["mqtt"]["password"]):
        assert secret not in done.stdout + done.stderr + "\n".join(board.log)


def test_from_a_file_and_again_gives_the_same_board_a_new_login(
    room: Bench, provision, tmp_path: Path
) -> None:
    board = room.board()
    file = tmp_path / "plant.json"
    document = {"id": "plant2", "wifi": [{"ssid": "Ünï\U0001f33b"}], "mqtt": {"host": "hub.local"}}
    file.write_text(json.dumps(document))
    first = provision(board.serial_path, "--config", file)
    assert first.returncode == DONE, first.stderr
    assert settings(board)["wifi"][0]["ssid"] == "Ünï\U0001f33b"
    login = settings(board)["mqtt"]["password"]
    factory = board.flash.read("factory.json")
    second = provision(board.serial_path, "--config", file, "--set", "interval=5")
    assert second.returncode == DONE, second.stderr
    assert settings(board)["interval"] == 5
    assert board.flash.read("factory.json") == factory, "it is on its label"
    accounts = Accounts(tmp_path / "hub")
    assert not accounts.verify("plant2", login)
    assert accounts.verify("plant2", settings(board)["mqtt"]["password"])


def test_a_name_that_another_device_has_is_refused(room: Bench, provision, tmp_path: Path) -> None:
    theirs = Accounts(tmp_path / "hub").add("plant1")
    board = room.board()
    refused = provision(
        board.serial_path, "--id", "plant1", "--wifi", "Home", "--server", "hub.local"
    )
    assert refused.returncode == FAILED
    assert "mote hub remove plant1" in refused.stderr
    assert settings(board) == {}
    assert Accounts(tmp_path / "hub").verify("plant1", theirs)


def test_what_breaks_a_rule_is_named_before_a_byte_is_sent(provision, tmp_path: Path) -> None:
    # There is no such port: nobody looked for it.
    port = tmp_path / "none"
    cases = [
        (("--wifi", "Home"), "id is missing"),
        (("--id", "a/b", "--wifi", "Home"), "id has a character that is not allowed"),
        (("--id", "a", "--wifi", "Home", "--set", "interval=0"), "interval"),
        (("--id", "a", "--wifi", "Home", "--set", "intervall=5"), "no setting 'intervall'"),
        (("--id", "a", "--wifi", "Home", "--set", "interval=soon"), "must be a number"),
    ]
    for arguments, text in cases:
        refused = provision(port, *arguments, "--server", "hub.local")
        assert refused.returncode == FAILED
        assert text in refused.stderr
    short = provision(
        port, "--id", "a", "--wifi", "H", "--server", "h.local", MOTE_WIFI_PASSWORD="shört"
    )
    assert "wifi.0.password must be 8 to 63 characters" in short.stderr
    assert "shört" not in short.stderr
    seen = provision(port, "--id", "a", "--set", "mqtt.password=seen by all")
    assert seen.returncode == USAGE


def firmware(folder: Path, **files: str) -> Path:
    tree = folder / "firmware"
    (tree / "mote").mkdir(parents=True)
    for name in ("boot.py", "main.py"):
        (tree / name).write_text("")
    (tree / "main.py").write_text("print('begun')")
    for name, text in files.items():
        (tree / "mote" / f"{name}.py").write_text(text)
    if not files:
        (tree / "mote").rmdir()
    return tree


def test_a_board_that_is_not_ours_and_one_that_is_too_old_are_told_how_to_be_flashed(
    room: Bench, provision, tmp_path: Path
) -> None:
    arguments = ("--id", "plant1", "--wifi", "Home", "--server", "hub.local")
    (tmp_path / "bare").mkdir()
    (tmp_path / "old").mkdir()
    bare = room.board("bare", "begun", firmware=firmware(tmp_path / "bare"))
    tree = firmware(tmp_path / "old", __init__='__version__ = "0.0.9"')
    old = room.board("old", "begun", firmware=tree)
    refused = provision(bare.serial_path, *arguments)
    assert refused.returncode == FAILED
    assert f"without Mote. Flash it: mote flash {bare.serial_path}" in refused.stderr
    refused = provision(old.serial_path, *arguments)
    assert refused.returncode == FAILED
    assert "has Mote 0.0.9, which is too old" in refused.stderr
    assert not Accounts(tmp_path / "hub").names()
