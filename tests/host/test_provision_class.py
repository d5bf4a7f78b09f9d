"""`mote provision --csv`: a row for each board and a board for each row, whatever happens."""

import json
import random
import subprocess
from pathlib import Path

import pytest
from board_at_usb import Bench, bench, settings
from mote import contract
from motekit import places
from motekit.exits import DONE, FAILED
from motekit.hub.accounts import Accounts
from motekit.provision import fleet, journal
from motekit.provision import settings as documents
from terminal import MOTE, environment

WIFI = "secret of the WiFi"
COMMON = {"wifi": [{"ssid": "Class", "password": WIFI}], "mqtt": {"host": "hub.local"}}
NAMES = ("first", "second", "third")
# A whole run over the boards takes about ten seconds here.
KILLS, LONGEST_S = 7, 5.0


@pytest.fixture
def room():
    with bench() as opened:
        yield opened


class Class:
    """A CSV with its common settings, and the command that works on it."""

    def __init__(self, folder: Path, *rows: str) -> None:
        self.folder = folder
        self.csv = folder / "class.csv"
        self.write(*rows)
        (folder / "common.json").write_text(json.dumps(COMMON))

    def write(self, *rows: str) -> None:
        self.csv.write_text("\n".join(("id,interval,board", *rows)) + "\n")

    def start(self, *ports: str) -> subprocess.Popen:
        options = ("--csv", self.csv, "--config", self.folder / "common.json")
        return subprocess.Popen(
            [MOTE, "provision", *ports, *options, "--data", self.folder / "hub", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment(),
        )

    def run(self, *ports: str) -> subprocess.CompletedProcess:
        process = self.start(*ports)
        out, err = process.communicate(timeout=400)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def entries(self) -> dict[str, journal.Entry]:
        return {one.mac: one for one in journal.read(journal.beside(self.csv))}


def test_killed_at_any_moment_it_goes_on_and_gives_no_row_twice(
    room: Bench, tmp_path: Path
) -> None:
    chance = random.Random()
    seed = chance.randrange(1 << 32)
    chance.seed(seed)
    work = Class(tmp_path, "a,11,", "b,12,esp32-devkitc", "c,13,")
    boards = [room.board(name) for name in NAMES]
    ports = [board.serial_path for board in boards]
    claimed: dict[str, str] = {}
    for _ in range(KILLS):
        # Which board is plugged in first is another one each time.
        chance.shuffle(ports)
        process = work.start(*ports)
        try:
            process.wait(chance.uniform(0.5, LONGEST_S))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        now = {mac: one.id for mac, one in work.entries().items()}
        assert len(set(now.values())) == len(now), seed
        assert now.items() >= claimed.items(), f"a board has lost its row: seed {seed}"
        claimed = now
    done = work.run(*ports)
    assert done.returncode == DONE, (seed, done.stderr)
    accounts = Accounts(tmp_path / "hub")
    held = [settings(board) for board in boards]
    assert sorted((one["id"], one["interval"]) for one in held) == [("a", 11), ("b", 12), ("c", 13)]
    assert accounts.names() == ["a", "b", "c"]
    for board, one in zip(boards, held, strict=True):
        assert accounts.verify(one["id"], one["mqtt"]["password"]), seed
        assert one["wifi"] == COMMON["wifi"]
        entry = work.entries()[board.mac.upper()]
        assert entry.id == one["id"] and entry.done
        factory = json.loads(board.flash.read("factory.json"))
        assert factory["portal_password"] == entry.setup_password
        assert (tmp_path / "class.labels" / f"{entry.id}.pdf").read_bytes()[:5] == b"%PDF-"
        assert one["mqtt"]["password"] not in journal.beside(work.csv).read_text()
    assert journal.beside(work.csv).stat().st_mode & 0o077 == 0


def test_a_board_that_is_done_stays_as_it_is_and_runs(room: Bench, tmp_path: Path) -> None:
    work = Class(tmp_path, "a,11,", "b,12,")
    board = room.board()
    first = work.run(board.serial_path)
    assert first.returncode == DONE, first.stderr
    assert json.loads(first.stdout)["id"] == "a"
    before, held = board.serial.count, settings(board)
    again = work.run(board.serial_path)
    assert again.returncode == DONE and again.stdout == ""
    assert "it is a already" in again.stderr
    assert settings(board) == held
    # Nobody leaves it at the prompt.
    room.hears(board, contract.LOG_BOOT, before)
    other = room.board("other")
    assert json.loads(work.run(other.serial_path).stdout)["id"] == "b"
    late = room.board("late")
    refused = work.run(late.serial_path)
    assert refused.returncode == FAILED
    assert "every row has its board" in refused.stderr
    work.write("b,12,")
    room.do(board.cut_power())
    room.do(board.power_on())
    gone = work.run(board.serial_path)
    assert gone.returncode == FAILED
    assert "is a, which the CSV no longer has" in gone.stderr


def test_two_commands_do_not_work_on_one_csv(tmp_path: Path) -> None:
    work = Class(tmp_path, "a,11,")
    with journal.opened(work.csv):
        second = work.run(str(tmp_path / "common.json"))
    assert second.returncode == FAILED
    assert "another mote provision works on" in second.stderr


def test_a_bad_csv_is_refused_with_its_line_before_a_board_is_touched(tmp_path: Path) -> None:
    cases = [
        (("a,11,", "b,0,"), "class.csv:3: interval 0 is less than the minimum of 1"),
        (("a,11,", "a,12,"), "two rows have the id a"),
        (("a,11,nothing",), "there is no board 'nothing'"),
        (("a,11,,,",), "more fields than the first line has names"),
        ((), "has no rows"),
    ]
    for rows, text in cases:
        work = Class(tmp_path, *rows)
        refused = work.run(str(tmp_path / "no such port"))
        assert refused.returncode == FAILED
        assert text in refused.stderr
    assert not journal.beside(work.csv).exists()
    Accounts(tmp_path / "hub").add("a")
    refused = Class(tmp_path, "a,11,").run(str(tmp_path / "common.json"))
    assert "mote hub remove a" in refused.stderr


def test_the_example_is_one() -> None:
    found = fleet.rows(places.PROVISIONING / "fleet.example.csv", COMMON)
    assert [row.id for row in found] == ["window-1", "window-2", "greenhouse", "door"]
    assert found[2].document["sensors"][1]["name"] == "soil"
    assert found[3].document["interval"] == 300


def test_settings_go_where_their_path_says() -> None:
    document = documents.overlaid({"mqtt": {"host": "a"}}, {"mqtt.tls": "yes", "wifi.0.ssid": "W"})
    assert document == {"mqtt": {"host": "a", "tls": True}, "wifi": [{"ssid": "W"}]}
    for path, text in (("wifi.1.ssid", "W"), ("mqtt.tls", "maybe"), ("mqtt.port", "x")):
        with pytest.raises(documents.SettingsError, match=path):
            documents.overlaid({}, {path: text})


def test_a_port_is_served_once_for_each_time_a_board_is_plugged_in() -> None:
    there = [["a"], ["a"], ["a", "b"], ["b"], ["a", "b"]]

    def present() -> list[str]:
        return there.pop(0) if len(there) > 1 else there[0]

    ports = fleet.plugged(present)
    assert [next(ports) for _ in range(3)] == ["a", "b", "a"]
