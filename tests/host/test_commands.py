"""The command `mote` as it is typed: output, exit codes, help."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from crowding import crowding, within
from motekit.commands import doctor
from motekit.exits import DONE, FAILED, USAGE
from motekit.hub import Hub

MOTE = Path(sys.executable).with_name("mote")

NOBODY_PROXY = "http://127.0.0.1:9"


def mote(*arguments: str, timeout: float = 180, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [MOTE, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100", **environment},
    )


def test_the_version_is_that_of_the_firmware() -> None:
    import mote as firmware

    assert mote("--version").stdout == f"mote {firmware.__version__}\n"


def test_what_is_not_understood_ends_with_2() -> None:
    assert mote("hub", "--no-such-option").returncode == USAGE
    assert mote("no-such-command").returncode == USAGE
    assert mote("doctor", "--for", "fun").returncode == USAGE


def test_an_error_is_one_line_that_says_what_to_do() -> None:
    shown = mote("listen", "--server", "127.0.0.1:1")
    assert shown.returncode == FAILED
    assert re.fullmatch(r"mote: no MQTT server answers at 127\.0\.0\.1:1 .* `mote hub`.*\n",
                        shown.stderr)  # fmt: skip
    shown = mote("listen", "--server", "host:port")
    assert "the server" in shown.stderr and "port from 1 to 65535" in shown.stderr


def test_listen_prints_a_reading_a_line_and_as_json(tmp_path) -> None:
    hub = Hub(tmp_path, mqtt_host="0.0.0.0", mqtt_port=0, http_port=None)

    async def story() -> None:
        await hub.start()
        options = ["--server", f"127.0.0.1:{hub.mqtt_port}", "--data", str(tmp_path)]
        listening = asyncio.create_task(
            asyncio.to_thread(mote, "listen", *options, "--json", "--count", "2", "--timeout", "90")
        )
        owner = ["-u", "owner", "-P", hub.accounts.owner_password]
        topic = "sensors/plant1/temperature"
        while not listening.done():
            for payload in ("21.5", "no float"):
                publish = await asyncio.create_subprocess_exec(
                    *("mosquitto_pub", "-p", str(hub.mqtt_port), *owner),
                    *("-q", "1", "-t", topic, "-m", payload),
                )
                await publish.wait()
        shown = await listening
        readings = [json.loads(line) for line in shown.stdout.splitlines()]
        assert [(r["device"], r["metric"], r["value"]) for r in readings] == [
            ("plant1", "temperature", 21.5)
        ] * 2
        assert shown.returncode == DONE
        refused = await asyncio.to_thread(
            mote, "listen", *options[:2], "--user", "nobody", MOTE_PASSWORD="wrong"
        )
        assert refused.returncode == FAILED and "refused the login" in refused.stderr
        await hub.stop()

    asyncio.run(story())


def test_listen_ends_with_1_when_too_little_came(tmp_path) -> None:
    hub = Hub(tmp_path, mqtt_port=0, http_port=None)

    async def story() -> None:
        await hub.start()
        server = f"127.0.0.1:{hub.mqtt_port}"
        shown = await asyncio.to_thread(
            mote, "listen", "--server", server, "--count", "1", "--timeout", "1"
        )
        assert (shown.returncode, shown.stdout) == (FAILED, "")
        await hub.stop()

    asyncio.run(story())


def test_accounts_are_made_listed_and_removed(tmp_path) -> None:
    data = ("--data", str(tmp_path))
    made = json.loads(mote("hub", "add", "plant1", *data, "--json").stdout)
    assert made["user"] == "plant1" and len(made["password"]) == 20
    assert json.loads(mote("hub", "list", *data, "--json").stdout) == ["plant1"]
    again = mote("hub", "add", "plant1", *data)
    assert again.returncode == FAILED and "mote hub remove plant1" in again.stderr
    assert mote("hub", "remove", "plant1", *data).returncode == DONE
    assert json.loads(mote("hub", "list", *data, "--json").stdout) == []


def test_the_hub_stops_cleanly_at_ctrl_c_within_3_s(tmp_path) -> None:
    options = ("--data", tmp_path, "--mqtt-port", "0", "--port", "0")
    with subprocess.Popen([MOTE, "hub", *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
        # All of its greeting: the address is told first.
        while "Ctrl-C stops the hub" not in process.stdout.readline():
            assert process.poll() is None
        with within(3):
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()
            assert process.wait(90) == DONE
    assert "Stopped. 0 readings taken" in rest


def test_the_doctor_names_what_is_missing_and_how_to_get_it(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(doctor.shutil, "which", lambda *a, **k: None)
    missing = {f.what: f.remedy for f in doctor.look() if not f.found}
    assert "sudo apt install mosquitto" in missing["mosquitto"]
    assert "sudo apt install chromium" in missing["chromium"]


def test_the_doctor_prints_json() -> None:
    findings = json.loads(mote("doctor", "--json").stdout)
    assert {"what", "needed_for", "found", "remedy"} == set(findings[0])


def test_without_virtual_boards_sim_says_how_to_start_some(one_world) -> None:
    shown = mote("sim", "list")
    assert shown.returncode == FAILED and "start some with `mote sim`" in shown.stderr


def test_the_demo_stores_readings_of_all_four_boards_by_itself() -> None:
    # The fourth board keeps its portal open for 15 s after it was set up: 40 s are enough where
    # nobody else is at work.
    with subprocess.Popen(
        # A proxy in the environment is nothing to a demo that never leaves this computer.
        [MOTE, "demo", "--seconds", "200"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | dict.fromkeys(("http_proxy", "https_proxy", "ALL_PROXY"), NOBODY_PROXY),
    ) as process:
        assert process.stdout
        shown, before = "", crowding()
        while "windowsill publishes" not in shown:
            line = process.stdout.readline()
            assert line, shown
            shown += line
        times = max(before, crowding())
        process.send_signal(signal.SIGINT)
        shown += process.stdout.read()
        assert process.wait(90) == DONE, shown
    assert "of 4 boards" in shown
    first = re.search(r"([\d.]+) s \w+ publishes, the first reading", shown)
    last = re.search(r"([\d.]+) s windowsill publishes", shown)
    assert first and float(first[1]) < 10 * times
    assert last and float(last[1]) < 40 * times


def test_ctrl_c_ends_the_demo_within_3_s() -> None:
    with subprocess.Popen([MOTE, "demo"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if "Ctrl-C ends the demo" in line:
                break
        with within(3):
            process.send_signal(signal.SIGINT)
            process.stdout.read()
            assert process.wait(90) == DONE


def test_virtual_boards_are_steered_from_another_terminal(one_world, tmp_path) -> None:
    hub = Hub(tmp_path, mqtt_port=0, http_port=None)

    async def story() -> None:
        await hub.start()
        server = f"127.0.0.1:{hub.mqtt_port}"
        sim = await asyncio.create_subprocess_exec(
            MOTE, "sim", "--server", server, "--interval", "1", stdout=asyncio.subprocess.PIPE
        )

        async def value(wanted: float) -> None:
            while not any(
                r.metric == "temperature" and r.value == wanted for r in hub.store.latest()
            ):
                await asyncio.sleep(0.1)

        await asyncio.wait_for(value(21), 90)
        done = await asyncio.to_thread(mote, "sim", "set", "board1", "temperature", "31.5")
        assert done.returncode == DONE, done.stderr
        await asyncio.wait_for(value(31.5), 90)
        listed = json.loads((await asyncio.to_thread(mote, "sim", "list", "--json")).stdout)
        assert listed["boards"][0]["joined"] is True
        wrong = await asyncio.to_thread(mote, "sim", "set", "board1", "colour", "1")
        assert wrong.returncode == FAILED and "it has: humidity, pressure" in wrong.stderr
        sim.send_signal(signal.SIGINT)
        await asyncio.wait_for(sim.wait(), 90)
        await hub.stop()

    asyncio.run(story())
