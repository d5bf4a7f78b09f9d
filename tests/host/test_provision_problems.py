"""What goes wrong with a board at its cable, and that it is then as it was."""

from pathlib import Path

import pytest
from board_at_usb import Bench, bench, settings
from motekit.hub.accounts import Accounts
from motekit.provision import DeviceError, device, fleet, journal, provision
from motekit.provision import settings as documents

COMMON = {"wifi": [{"ssid": "Home"}], "mqtt": {"host": "hub.local"}}
DOCUMENT = {"id": "plant1", **COMMON}
FILL = """
import os
block = bytes(4096)
with open("/filler", "wb") as f:
    try:
        while True:
            f.write(block)
            f.flush()
    except OSError as error:
        print(error.errno)
"""


@pytest.fixture
def room():
    with bench() as opened:
        yield opened


def given(board, document: dict, accounts: Accounts | None = None):
    with device.at(board.serial_path) as there:
        wanted = documents.checked(document)
        return provision(there, wanted, accounts, "good luck 7", print, 0)


def test_a_full_flash_keeps_the_configuration_that_it_has(room: Bench, tmp_path: Path) -> None:
    board = room.board()
    given(board, DOCUMENT)
    before = settings(board)
    with device.at(board.serial_path) as there:
        assert there._at.run(FILL).strip() == "28"
    long = {**DOCUMENT, "mqtt": {"host": "hub.local", "ca": "c" * 4000}}
    accounts = Accounts(tmp_path)
    with pytest.raises(DeviceError, match="the flash of the board is full") as caught:
        given(board, long, accounts)
    assert caught.value.kind == "disk-full"
    assert settings(board) == before and accounts.names() == []


def test_what_an_older_board_does_not_know_is_named(room: Bench) -> None:
    board = room.board()
    forget = """
import json, mote
path = mote.__file__.rsplit("/", 1)[0] + "/config.schema.json"
with open(path) as f:
    schema = json.load(f)
del schema["properties"]["deep_sleep"]
with open(path, "w") as f:
    json.dump(schema, f)
"""
    with device.at(board.serial_path) as there:
        there.look()
        there._at.run(forget)
    with pytest.raises(DeviceError, match=r"deep_sleep is not a known setting.* mote flash"):
        given(board, DOCUMENT)
    assert settings(board) == {}


def test_a_configuration_on_probation_does_not_come_back(room: Bench) -> None:
    board = room.board()
    left = "for n in ('old', 'note'):\n with open('/config.' + n, 'w') as f: f.write('{}')"
    with device.at(board.serial_path) as there:
        there._at.run(left)
    given(board, DOCUMENT)
    assert settings(board)["id"] == "plant1"
    assert not {"/config.old", "/config.note", "/config.new"} & set(board.flash.files())


def test_a_board_with_a_login_of_another_broker_keeps_it(room: Bench, tmp_path: Path) -> None:
    board = room.board()
    server = {"host": "broker", "user": "them", "password": "theirs"}
    done = given(board, {**DOCUMENT, "mqtt": server}, Accounts(tmp_path))
    assert settings(board)["mqtt"]["password"] == "theirs"
    assert not done.account and Accounts(tmp_path).names() == []


def test_a_board_of_another_kind_than_its_row_is_flashed_first(room: Bench, tmp_path: Path) -> None:
    csv = tmp_path / "class.csv"
    csv.write_text("id,board\nwanted,wemos-d1-mini32\n")
    old = room.board("old", board="esp32-devkitc")
    # A virtual board's port takes no esptool: the next port is the same board, flashed.
    new = room.board("new", board="wemos-d1-mini32", mac=old.mac)
    flashed: list[tuple[str, str]] = []

    def flasher(port: str, board: str) -> None:
        flashed.append((port, board))
        link.unlink()
        link.symlink_to(new.serial_path)

    link = tmp_path / "ttyUSB0"
    link.symlink_to(old.serial_path)
    rows = fleet.rows(csv, COMMON)
    labels: list[str] = []
    with journal.opened(csv) as book:
        work = fleet.Fleet(rows, book, None, flasher, lambda one: labels.append(one.id), 0)
        done = work.serve(str(link), print)
        assert work.left == []
    assert done and (done.id, done.mac) == ("wanted", old.mac.upper())
    assert flashed == [(str(link), "wemos-d1-mini32")] and labels == ["wanted"]
    assert settings(new)["id"] == "wanted" and settings(old) == {}
