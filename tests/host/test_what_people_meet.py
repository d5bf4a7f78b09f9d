"""Small faults that people met: each is told in words that lead on, and never as a traceback."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest
from motekit import credentials
from motekit.command_table import app
from motekit.commands import label as labels
from motekit.demo import show as show_module
from motekit.exits import DONE, FAILED, USAGE
from motekit.hub import Hub
from motekit.hub.accounts import Accounts
from motekit.provision import board, device
from terminal import MOTE, environment
from typer.testing import CliRunner


def mote(*arguments: str, **more: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [MOTE, *arguments],
        capture_output=True,
        text=True,
        timeout=180,
        stdin=subprocess.DEVNULL,
        env=environment(**more),
    )


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("hub", "--mqtt-port", "99999"), USAGE, "--mqtt-port"),
        (("hub", "--port", "-1"), USAGE, "--port"),
        (("demo", "--seconds", "-5"), USAGE, "--seconds"),
        (("devices", "--server", "h:99999"), FAILED, "a port from 1 to 65535"),
        (("flash", "{folder}/notes.md"), FAILED, "is no serial port but a file or a folder"),
        (("flash", "{folder}/none", "--firmware", "{folder}/wrong.bin"), FAILED, "wrong.bin"),
        (("flash", "{folder}/none", "--board", "typo"), FAILED, "there is no board 'typo'"),
        (("monitor", "{folder}"), FAILED, "is no serial port"),
        (("label", "{folder}/no/x.pdf", "--csv", "{folder}/class.csv"), FAILED, "no/x.pdf cannot"),
        (("listen", "--device", "a/b"), USAGE, "a/b"),
        (("listen", "--metric", "Temp"), USAGE, "Temp"),
    ],
)
def test_a_slip_is_told_in_words(
    tmp_path: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    (tmp_path / "notes.md").write_text("# Notes")
    (tmp_path / "wrong.bin").write_text("nothing of ours")
    (tmp_path / "class.journal.json").write_text(
        '[{"mac": "240AC4000001", "id": "a", "setup_password": "x", "done": "2026-01-01"}]'
    )
    shown = mote(*(one.format(folder=tmp_path) for one in arguments), XDG_DATA_HOME=str(tmp_path))
    assert shown.returncode == code, shown.stderr
    assert told in " ".join(shown.stderr.split()), shown.stderr
    assert "Traceback" not in shown.stderr and ".new" not in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("devices", "--once", "--server", "127.0.0.1:1"), FAILED),
        (("config", "get", "plant1", "--server", "127.0.0.1:1"), FAILED),
        (("hub", "remove", "plant1", "--data", "{folder}/none"), FAILED),
        (("provision", "{folder}/none", "--id", "a", "--server", "h"), FAILED),
        (("listen", "--count", "many"), USAGE),
    ],
)
def test_a_program_gets_json_also_when_nothing_can_begin(
    tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    shown = mote(*(one.format(folder=tmp_path) for one in arguments), "--json")
    assert shown.returncode == code
    (told,) = json.loads(shown.stdout).items()
    assert told[0] == "error" and len(told[1]) > 20
    if code == FAILED:
        assert shown.stderr.splitlines()[-1] == f"mote: {told[1]}"


def test_without_json_an_error_is_on_standard_error_alone() -> None:
    shown = mote("devices", "--once", "--server", "127.0.0.1:1")
    assert not shown.stdout and shown.stderr.startswith("mote: ")


@pytest.mark.anyio
async def test_listen_says_what_is_known_when_nothing_matches(tmp_path: Path) -> None:
    hub = Hub(tmp_path, mqtt_host="0.0.0.0", mqtt_port=0, http_port=None)
    await hub.start()
    try:
        password = Accounts(tmp_path).add("plant1")
        server = ("--server", f"127.0.0.1:{hub.mqtt_port}", "--data", str(tmp_path))

        def publish(topic: str, payload: str, *more: str) -> None:
            subprocess.run(
                ["mosquitto_pub", "-p", str(hub.mqtt_port), "-u", "plant1", "-P", password,
                 "-i", "plant1", "-q", "1", "-t", topic, "-m", payload, *more],
                check=True, timeout=60,
            )  # fmt: skip

        await asyncio.to_thread(publish, "devices/plant1/status", "online", "-r")
        wrong = ("--device", "plnt1", "--timeout", "7")
        typo = await asyncio.to_thread(mote, "listen", *wrong, *server)
        assert typo.returncode == FAILED and not typo.stdout
        hints = typo.stderr.splitlines()
        assert "nothing is known of a device 'plnt1'; known here: plant1" in hints[0]
        assert "no reading came within 7 s" in hints[1]

        listening = await asyncio.create_subprocess_exec(
            MOTE, "listen", "--metric", "temprature", "--timeout", "60", *server,
            stderr=asyncio.subprocess.PIPE, env=environment(),
        )  # fmt: skip
        assert listening.stderr
        # Until it has subscribed nobody knows of the reading: it comes again and again.
        while True:
            await asyncio.to_thread(publish, "sensors/plant1/temperature", "21")
            try:
                line = (await asyncio.wait_for(listening.stderr.readline(), 1)).decode()
                break
            except TimeoutError:
                continue
        listening.terminate()
        await listening.communicate()
        assert "no reading of a metric 'temprature' so far; what comes: temperature" in line
    finally:
        await hub.stop()


def test_a_password_to_type_is_easy_to_read_and_strong(tmp_path: Path) -> None:
    made = mote("hub", "add", "plant1", "--data", str(tmp_path))
    assert made.returncode == DONE
    _, password, groups = (line.split(maxsplit=2)[2] for line in made.stdout.splitlines())
    assert groups.replace(" ", "") == password and groups.count(" ") == 4
    assert not set(password) - set(credentials._TYPED) and not set("0o1il") & set(password)
    # 31 ** 20 > 2 ** 99.
    assert len(password) == 20 and len(credentials._TYPED) == 31
    assert Accounts(tmp_path).verify("plant1", password)
    assert not Accounts(tmp_path).verify("plant1", groups), "the blanks are not part of it"


class Empty:
    """A board that lost its settings, and what is told to it."""

    path = "/dev/none"

    def look(self) -> device.Seen:
        return device.Seen("9.9.9", "240AC4000001", "esp32-devkitc", "")

    def save(self, document: dict, setup_password: str) -> device.Saved:
        self.saved = document
        return device.Saved("digest", setup_password)

    def restart(self, wait_s: float) -> str:
        return "9.9.9"


def test_a_board_that_lost_its_settings_gets_its_login_again(tmp_path: Path) -> None:
    accounts, there = Accounts(tmp_path), Empty()
    old = accounts.add("plant1")
    document = {"id": "plant1", "wifi": [{"ssid": "x"}], "mqtt": {"host": "h", "user": ""}}
    with pytest.raises(device.DeviceError, match="another device's login already"):
        board.provision(there, document, accounts, "secret", str)  # type: ignore[arg-type]
    done = board.provision(there, document, accounts, "secret", str, known=True)  # type: ignore[arg-type]
    assert done.account and not accounts.verify("plant1", old)
    assert accounts.verify("plant1", there.saved["mqtt"]["password"])


def test_a_label_leads_to_a_dashboard_only_where_phones_reach_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(labels, "_reached_by_others", lambda _: False)
    assert labels.address("plant1") == ""
    assert labels.address("plant1", "http://hub:80/") == "http://hub:80/device/plant1"
    monkeypatch.setattr(labels, "_reached_by_others", lambda _: True)
    assert labels.address("plant1").endswith(":8080/device/plant1")


@pytest.mark.parametrize(
    ("seconds", "stored", "code", "told"),
    [
        (25, ("greenhouse", "aquarium", "workshop"), DONE, ""),
        (25, ("greenhouse", "workshop"), FAILED, "no readings of aquarium in 25 s"),
        (40, ("greenhouse", "aquarium", "workshop"), FAILED, "no readings of windowsill in 40 s"),
        (40, ("greenhouse", "aquarium", "workshop", "windowsill"), DONE, ""),
    ],
)
def test_a_short_demo_expects_only_the_boards_that_have_the_time(
    monkeypatch, seconds: int, stored: tuple[str, ...], code: int, told: str
) -> None:
    async def show(self: show_module.Show) -> show_module.Seen:
        return show_module.Seen(dict.fromkeys(stored, 5), {}, self.expected_names())

    monkeypatch.setattr(show_module.Show, "run", show)
    ended = CliRunner().invoke(app, ["demo", "--seconds", str(seconds)])
    assert ended.exit_code == code, ended.output
    assert told in ended.output
    assert ("--seconds 120" in ended.output) == bool(told)
