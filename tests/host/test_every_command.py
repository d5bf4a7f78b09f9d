"""Every command of `mote`, one like the other: help, exit codes, JSON, terminals and none."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from motekit import places
from motekit.command_table import app
from motekit.exits import DONE, FAILED
from terminal import MOTE, Terminal, environment

ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[[\d;]*[34]\dm")
NOBODY = "127.0.0.1:1"
# Each as somebody types it whose server, board or file is not there.
ERRORS = {
    "bundle": "no-such-folder/x.bundle --board no-such-board",
    "config get": f"plant1 --server {NOBODY}",
    "config set": f"plant1 interval=30 --server {NOBODY}",
    "demo": "--seconds x",
    "devices": f"--once --server {NOBODY}",
    "doctor": "--for fun",
    "firmware": "{folder} --board no-such-board",
    "flash": "{folder}/ttyUSB0",
    "fleet": f"--broker {NOBODY}",
    "hub": "--data {folder}/file",
    "hub add": "plant1/ --data {folder}",
    "hub add-user": "owner --data {folder}",
    "hub backup": "{folder}/x.backup --data {folder}",
    "hub list": "--data {folder}/file",
    "hub password": "plant1 --data {folder}",
    "hub remove": "plant1 --data {folder}",
    "hub restore": "{folder}/file --data {folder}/hub",
    "identify": f"plant1 --server {NOBODY}",
    "image": "-o {folder}/x.bin --firmware {folder}/file",
    "image inspect": "{folder}/file",
    "key export": "{folder}/no-such-folder/key",
    "key import": "{folder}/file",
    "label": "{folder}/x.pdf --csv {folder}/class.csv",
    "listen": f"--server {NOBODY}",
    "monitor": "{folder}/ttyUSB0",
    "provision": "{folder}/ttyUSB0 --id plant1 --server hub",
    "replay": f"plant1 --since 2h --server {NOBODY}",
    "restart": f"plant1 --server {NOBODY}",
    "shell": "{folder}/ttyUSB0",
    "sim": "--server host:port",
    "sim cut": "board1",
    "sim list": "",
    "sim power": "board1",
    "sim press": "board1",
    "sim reset": "board1",
    "sim set": "board1 temperature 20",
    "sim test": "{folder}",
    "sim wifi": "down",
    "stack add": "greenhouse",
    "stack backup": "{folder}/x.backup",
    "stack doctor": "",
    "stack down": "",
    "stack init": "",
    "stack list": "",
    "stack logs": "telegraf",
    "stack remove": "greenhouse",
    "stack restore": "{folder}/file",
    "stack secret": "grafana",
    "stack status": "",
    "stack up": "",
    "stack upgrade": "",
    "update": f"plant1 --server {NOBODY}",
}


def commands() -> Iterator[tuple[str, typer.main.TyperCommand]]:
    """Name and command of everything that does something by itself."""

    def below(name: str, command) -> Iterator:
        inside = getattr(command, "commands", {})
        # A group such as `mote config` only has commands.
        if not inside or (name and command.invoke_without_command):
            yield name, command
        for key, one in inside.items():
            yield from below(f"{name} {key}".strip(), one)

    yield from below("", typer.main.get_command(app))


NAMES = [name for name, _ in commands()]


def mote(*arguments: str, **more: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [MOTE, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        env=environment(**more),
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "file").write_text("nothing of ours")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    # A file, so that `mote stack` can make no backend there.
    monkeypatch.setenv("MOTE_STATE", str(tmp_path / "file"))
    return tmp_path


@pytest.mark.parametrize("command", NAMES)
def test_every_command_explains_itself_with_an_example_and_its_exit_codes(command: str) -> None:
    shown = mote(*command.split(), "--help", COLUMNS="80")
    assert shown.returncode == DONE and ESCAPE not in shown.stdout
    assert f"Example: mote {command}" in shown.stdout
    assert "Ends with 0 when" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=NAMES)
def test_every_command_speaks_json(name: str, command: typer.main.TyperCommand) -> None:
    has = any("--json" in one.opts for one in command.params)
    # At its prompt a person types.
    assert has is (name != "shell")


@pytest.mark.parametrize("command", NAMES)
def test_every_error_is_told_without_a_terminal_and_on_one_without_colours(
    command: str, folder: Path, request: pytest.FixtureRequest
) -> None:
    if command.startswith("sim "):
        request.getfixturevalue("one_world")
    arguments = [*command.split(), *ERRORS[command].format(folder=folder).split()]
    shown = mote(*arguments)
    assert shown.returncode != DONE
    assert ESCAPE not in shown.stdout + shown.stderr and "\r" not in shown.stderr
    assert "Traceback" not in shown.stderr
    if shown.returncode == FAILED:
        last = shown.stderr.splitlines()[-1]
        assert last.startswith("mote: ") and len(last) > 30, shown.stderr
    plain = Terminal(*arguments, NO_COLOR="1", TERM="xterm-256color")
    assert plain.process.wait(300) == shown.returncode
    plain.wait_for("mote")
    assert not COLOUR.search(plain.shown)


def test_an_error_is_red_on_a_terminal_that_likes_colours(folder: Path) -> None:
    colourful = Terminal("monitor", folder / "ttyUSB0", TERM="xterm-256color")
    assert colourful.process.wait(300) == FAILED
    colourful.wait_for("there is no port")
    assert COLOUR.search(colourful.shown)


def test_the_documents_say_what_the_commands_say() -> None:
    made = [sys.executable, places.CHECKOUT / "host" / "command_pages.py", "--check"]
    checked = subprocess.run(made, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_a_shell_completes_commands_options_and_boards(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "PATH": f"{MOTE.parent}:{os.environ['PATH']}"}
    script = """
        mote --install-completion >/dev/null
        source ~/.bashrc
        complete_() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); $handler mote; }
        handler=$(complete -p mote | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
        for typed in "mote fl" "mote config s" "mote flash --er" "mote image --board xiao-"; do
            complete_ $typed
            echo "$typed: ${COMPREPLY[*]}"
        done
    """
    shown = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, env=environment(**home)
    )
    completed = dict(line.split(": ") for line in shown.stdout.splitlines())
    assert set(completed["mote fl"].split()) == {"flash", "fleet"}, shown.stderr
    assert completed["mote config s"] == "set"
    assert completed["mote flash --er"] == "--erase"
    assert "xiao-esp32c3" in completed["mote image --board xiao-"].split()


def test_programs_read_what_a_command_did(folder: Path) -> None:
    made = mote("firmware", str(folder / "board"), "--protect", "--json")
    facts = json.loads(made.stdout)
    assert (facts["board"], facts["folder"]) == ("esp32-devkitc", str(folder / "board"))
    assert len(facts["portal_password"]) >= 8 and facts["files"] > 50
    boards = json.loads(mote("firmware", "--list", "--json").stdout)
    assert {"esp32-devkitc", "xiao-esp32c3"} <= {one["key"] for one in boards}
    data = ("--data", str(folder / "hub"))
    mote("hub", "add", "plant1", *data)
    secrets = json.loads(mote("stack", "secret", "--json").stdout)
    assert {"name": "grafana", "opens": "the dashboards", "user": "admin"} in secrets
    removed = mote("hub", "remove", "plant1", *data, "--json")
    assert json.loads(removed.stdout) == {"removed": "plant1"}
