"""A class of boards, all the way: out of their bags, by a CSV, to `mote devices`."""

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import small_micropython
from board_at_usb import Bench, bench, settings
from board_in_bag import BoardInBag
from mote import contract
from motekit import boards
from motekit import firmware as tree
from motekit.exits import DONE
from motekit.hub.accounts import Accounts
from motekit.provision import journal
from motesim import AccessPoint
from terminal import MOTE, environment, eventually, running

WIFI = AccessPoint("Class", "secret of the WiFi")
COMMON = {
    "wifi": [{"ssid": WIFI.ssid, "password": WIFI.password}],
    "mqtt": {"host": "mqtt.local"},
}
MACS = ("240ac4000010", "240ac4000020", "240ac4000030")
ROWS = ("window-1", "window-2", "door")
# Flashing and provisioning all three takes about a minute here.
KILLS, LONGEST_S = 5, 15.0
ATTEMPTS = 3


@pytest.fixture
def room() -> Iterator[Bench]:
    with bench() as opened:
        yield opened


@pytest.fixture
def bags(room: Bench) -> Iterator[list[BoardInBag]]:
    made = [BoardInBag(room, f"bag{n}-", mac) for n, mac in enumerate(MACS)]
    yield made
    for one in made:
        one.close()


class Class:
    """The CSV, what its boards have in common, and the commands at work on it."""

    def __init__(self, folder: Path) -> None:
        self.csv = folder / "class.csv"
        self.csv.write_text("id,interval\n" + "".join(f"{name},1\n" for name in ROWS))
        self._common = folder / "common.json"
        self._common.write_text(json.dumps(COMMON))
        self._micropython = folder / "micropython.bin"
        self._micropython.write_bytes(small_micropython.made())
        self.home = {"XDG_DATA_HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder)}
        self.hub = folder / "home" / "mote" / "hub"

    def provision(self, ports: list[str]) -> subprocess.Popen:
        options = ("--csv", self.csv, "--config", self._common, "--firmware", self._micropython)
        return subprocess.Popen(
            [MOTE, "provision", *ports, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment(**self.home),
        )

    def rows(self) -> dict[str, str]:
        """Who has which row."""
        return {one.mac: one.id for one in journal.read(journal.beside(self.csv))}


@pytest.mark.timeout(1200)
def test_three_new_boards_get_their_rows_and_publish(
    room: Bench, bags: list[BoardInBag], tmp_path: Path
) -> None:
    # Compiled beforehand: it is for later runs as well, and no part of the story.
    tree.build(boards.default_for("esp32"))
    work = Class(tmp_path)
    chance = random.Random(seed := random.randrange(1 << 32))
    ports = [one.path for one in bags]
    claimed: dict[str, str] = {}
    with running("hub", "--mqtt-port", "0", "--no-dashboard", "--json", **work.home) as hub:
        eventually("the hub runs", lambda: hub.out)
        port = json.loads(hub.out[0])["mqtt_port"]
        room.do(room.world.add_access_point(WIFI))
        room.world.add_host(
            "mqtt.local", "192.168.50.10", {contract.MQTT_PORT: ("127.0.0.1", port)}
        )
        for _ in range(KILLS):
            chance.shuffle(ports)
            at_work = work.provision(ports)
            try:
                at_work.wait(chance.uniform(1, LONGEST_S))
            except subprocess.TimeoutExpired:
                at_work.kill()
            at_work.communicate()
            now = work.rows()
            assert now.items() >= claimed.items(), f"a board has lost its row: seed {seed}"
            assert len(set(now.values())) == len(now), f"a row has two boards: seed {seed}"
            claimed = now
        # On a busy machine esptool misses an answer now and then: the same command goes on.
        for _ in range(ATTEMPTS):
            at_work = work.provision(ports)
            said, _ = at_work.communicate(timeout=600)
            if at_work.returncode == DONE:
                break
            assert "again" in said, (seed, said)
        assert at_work.returncode == DONE, (seed, said)
        rows = work.rows()
        assert sorted(rows) == sorted(mac.upper() for mac in MACS), seed
        assert sorted(rows.values()) == sorted(ROWS), seed
        accounts = Accounts(work.hub)
        assert accounts.names() == sorted(ROWS)
        for bag, mac in zip(bags, MACS, strict=True):
            held = settings(bag.board)
            assert held["id"] == rows[mac.upper()], seed
            assert accounts.verify(held["id"], held["mqtt"]["password"]), seed
            assert (tmp_path / "class.labels" / f"{held['id']}.pdf").read_bytes()[:5] == b"%PDF-"
        shown = publishing(work, port)
    assert [one["id"] for one in shown] == sorted(ROWS)
    assert all(one["online"] and one["info"]["version"] for one in shown)


def publishing(work: Class, port: int) -> list[dict]:
    """What `mote devices` says as soon as all boards were heard, or in the end."""
    devices = ["devices", "--once", "--json", "--listen", "20", "--server", f"127.0.0.1:{port}"]
    shown: list[dict] = []

    def heard() -> bool:
        done = subprocess.run(
            [MOTE, *devices], capture_output=True, text=True, env=environment(**work.home)
        )
        assert done.returncode == DONE, done.stderr
        shown[:] = json.loads(done.stdout)
        return len(shown) == len(ROWS) and all(one["readings"] for one in shown)

    eventually("readings of every board", heard, 300)
    return shown
