"""What boards, brokers, files and networks say is shown as it is, and controls no terminal."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from motekit import exits, terminal
from motekit.commands import (
    devices,
    doctor,
    flash,
    image,
    listen,
    meeting,
    monitor,
    provision,
    sim,
    stack,
    update,
)
from motekit.orders import Device
from motekit.stack.compose import Service
from terminal import MOTE, environment

MARKUP = "[red]x[/red] [/]"
# Clear the screen, set the title of the window, turn the direction, a second line, C1's CSI.
ESCAPES = "\x1b[2J\x1b]0;title\x07\u202e\r\nmote: all is well\x9b2J"
HALF = "\ud800"
HOSTILE = MARKUP + ESCAPES + HALF
# Colors are ours; nothing else that a terminal acts on may come out.
COLOR = re.compile(r"\x1b\[[\d;]*m")
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]"
)


def check(shown: str, *, whole: bool = True) -> None:
    assert not FORBIDDEN.search(COLOR.sub("", shown)), repr(shown)
    assert "\nmote: all is well" not in shown
    if whole:
        assert MARKUP in shown and "\\x1b[2J" in shown and "\\u202e" in shown


def hostile_device() -> Device:
    info = {"version": HOSTILE, "rssi": HOSTILE, "queue": HOSTILE, "lost": [HOSTILE]}
    return Device("plant1", True, 0, info, {"temperature": (1.5, 2.0)})


def test_devices(capsys: pytest.CaptureFixture[str]) -> None:
    devices._show([hostile_device()], as_json=False)
    check(capsys.readouterr().out, whole=False)
    # In a table a long text is wrapped: its parts are there.
    devices._show([replace(hostile_device(), info={"version": MARKUP})], as_json=False)
    assert MARKUP in capsys.readouterr().out


def test_devices_as_json_are_json_for_every_parser(capsys: pytest.CaptureFixture[str]) -> None:
    device = hostile_device()
    device.info["heap"] = float("nan")
    device.readings["pressure"] = (float("inf"), 2.0)
    devices._show([device], as_json=True)
    out = capsys.readouterr().out
    assert out.isascii()

    def refuse(name: str) -> None:
        raise AssertionError(name)

    (shown,) = json.loads(out, parse_constant=refuse)
    assert shown["info"]["heap"] is None and shown["readings"]["pressure"]["value"] is None
    assert shown["info"]["version"] == HOSTILE.replace(HALF, "\N{REPLACEMENT CHARACTER}")


def test_listen(capsys: pytest.CaptureFixture[str]) -> None:
    heard = listen.Heard(HOSTILE, "temperature", float("nan"), 2.0)
    listen._print_lines(iter([heard]), 1, as_json=False)
    check(capsys.readouterr().out)
    listen._print_lines(iter([heard]), 1, as_json=True)
    assert json.loads(capsys.readouterr().out)["value"] is None
    listen._show_table(iter([replace(heard, device=MARKUP, value=1.0)]), 1)
    assert MARKUP in capsys.readouterr().out


def test_monitor(capsys: pytest.CaptureFixture[str]) -> None:
    from motekit.serial.log import Line

    monitor._printer(stamps=False)(Line(1.0, HOSTILE, "other", text=HOSTILE))
    check(capsys.readouterr().out)


def test_answers_of_boards(capsys: pytest.CaptureFixture[str]) -> None:
    results = [{"device": "plant1", "ok": False, "error": HOSTILE}]
    with pytest.raises(typer.Exit):
        meeting.tell(results, False, str)
    check(capsys.readouterr().err)
    meeting.tell([{"device": "plant1", "ok": True, "version": HOSTILE}], True, str)
    assert capsys.readouterr().out.isascii()
    meeting.tell([{"device": HOSTILE, "ok": True}], False, lambda one: f"{one['device']} is online")
    check(capsys.readouterr().out)
    with pytest.raises(typer.Exit):
        meeting.agree(f"This restarts {HOSTILE}", yes=False)
    check(capsys.readouterr().err)


def test_update(capsys: pytest.CaptureFixture[str]) -> None:
    from motekit.update.rollout import Turn

    update._tell([[Turn("plant1", None, error=HOSTILE)]], {"plant1": HOSTILE}, False)  # type: ignore[arg-type]
    shown = capsys.readouterr()
    check(shown.out)
    check(shown.err)


def test_config_get(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from motekit.commands import settings

    def answer(work: object) -> dict[str, object]:
        work.close()  # type: ignore[attr-defined]
        return {"wifi": [{"ssid": HOSTILE + "Café"}], "id": HOSTILE}

    monkeypatch.setattr(meeting, "run", answer)
    settings.get("plant1", "", data=Path("/nonexistent"))
    shown = capsys.readouterr().out
    check(shown, whole=False)
    assert "Café" in shown and MARKUP in shown
    settings.get("plant1", "id", data=Path("/nonexistent"))
    check(capsys.readouterr().out)
    settings.get("plant1", "", as_json=True, data=Path("/nonexistent"))
    assert json.loads(capsys.readouterr().out)["wifi"][0]["ssid"].endswith("Café")


def test_image_inspect(capsys: pytest.CaptureFixture[str]) -> None:
    from motekit.image.contents import Contents
    from motekit.image.micropython import MicroPython, Region
    from motekit.image.partitions import Partition

    part = Partition(MARKUP, MARKUP, 0, 0, 1)
    runtime = MicroPython("ESP32", "ESP32", MARKUP + ESCAPES, 0, (part,), b"")
    found = Contents(runtime, Region(0, 1), 1, {MARKUP: 3}, MARKUP, MARKUP, "")
    image._tables(found, Path("x.bin"), 5)
    shown = capsys.readouterr().out
    check(shown)
    assert shown.count(MARKUP) >= 4


def test_services_of_the_backend(capsys: pytest.CaptureFixture[str]) -> None:
    one = Service(MARKUP, "running", "", 0, MARKUP, [], True, True, 0)
    stack._print([one])
    assert capsys.readouterr().out.count(MARKUP) == 2


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    doctor._print([doctor.Finding(HOSTILE, "boards", False, HOSTILE)])
    check(capsys.readouterr().out)


def test_provision_and_flash(capsys: pytest.CaptureFixture[str]) -> None:
    from motekit.provision import Provisioned

    provision._tell(Provisioned("/dev/x", HOSTILE, "plant1", HOSTILE, "", True, ""), stack=False)
    check(capsys.readouterr().out)
    flash._complain(terminal.console(stderr=True), HOSTILE)
    check(capsys.readouterr().err)


def test_progress_of_boards(capsys: pytest.CaptureFixture[str]) -> None:
    from motekit.flash import display

    with display.on(terminal.console(stderr=True), asks=False) as shown:
        shown.watch("plant1").note(HOSTILE)
        shown.watch(MARKUP).begins(HOSTILE)
    check(capsys.readouterr().err)
    console = terminal.console(stderr=True, width=250)
    console._force_terminal = True
    with display.Bars(console, asks=False) as bars:
        bars.watch(MARKUP).begins(HOSTILE)
        bars._progress.refresh()
    drawn = re.sub(r"\x1b\[(\?25[lh]|\d*[AK])|\r", "", capsys.readouterr().err)
    check(drawn, whole=False)
    assert MARKUP in drawn


def test_virtual_boards(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    board = {"name": MARKUP, "powered": True, "joined": True, "serial": HOSTILE}
    world = {
        "boards": [board | {"quantities": {}, "portal": HOSTILE}],
        "wifi": [{"ssid": HOSTILE, "up": True, "loss": 0.0}],
    }
    monkeypatch.setattr(sim, "_ask", lambda **_: world)
    sim.list_boards()
    check(capsys.readouterr().out)


def test_load_reports(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    table = Table()
    table.add_row(MARKUP, terminal.styled(ESCAPES), ESCAPES)
    terminal.console(width=250).print(table)
    check(capsys.readouterr().out)


def test_errors_stay_on_their_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        exits.fail(HOSTILE)
    check(capsys.readouterr().err)


@settings(deadline=None)
@given(st.text(st.characters(codec=None)))
def test_any_text_is_one_line_without_controls(text: str) -> None:
    shown = terminal.safe(text)
    assert not FORBIDDEN.search(shown) and "\n" not in shown
    shown.encode()


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(st.characters(codec=None)),
    lambda one: st.lists(one) | st.dictionaries(st.text(), one)))  # fmt: skip
def test_any_value_is_json(value: object) -> None:
    written = json.dumps(terminal._standard(value), allow_nan=False)
    written.encode("ascii")
    json.loads(written)


def test_a_board_under_test_keeps_its_colors_and_nothing_else() -> None:
    said = b"\x1b[31mred\x1b[0m\r\n\x1b[2J\x1b]0;x\x07\xe2\x80\xae\xc3\xa9\xff\t\n"
    expected = "\x1b[31mred\x1b[0m\r\n\\x1b[2J\\x1b]0;x\\x07\\u202eé\N{REPLACEMENT CHARACTER}\t\n"
    whole = terminal.SerialFilter().pass_on(said)
    passing = terminal.SerialFilter()
    pieces = b"".join(passing.pass_on(bytes([byte])) for byte in said)
    assert whole == pieces == expected.encode()


@pytest.mark.parametrize(
    "console", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "cp1252"},
                {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)  # fmt: skip
def test_consoles_without_utf8(console: dict[str, str], tmp_path: Path) -> None:
    """Python's own encoders are the judge: they raise for what they cannot write."""
    more = {**console, "XDG_DATA_HOME": str(tmp_path)}
    for arguments in (
        ["doctor"], ["--help"], ["hub", "list"], ["firmware", "--list"],
        ["firmware", str(tmp_path / "x"), "--protect", "--mac", "240ac4000001"],
        ["config", "get", "é", "--server", "x"],
    ):  # fmt: skip
        done = subprocess.run([MOTE, *arguments], capture_output=True, env=environment(**more))
        assert b"Traceback" not in done.stderr, done.stderr
        encoding = console.get("PYTHONIOENCODING", "ascii")
        (done.stdout + done.stderr).decode(encoding)
    if console.get("PYTHONIOENCODING") == "ascii":
        shown = subprocess.run([MOTE, "doctor"], capture_output=True, env=environment(**more))
        assert b"  + Python 3" in shown.stdout


def test_what_the_console_cannot_show_is_replaced() -> None:
    script = (
        "from motekit import terminal; terminal.prepare(); terminal.echo('✓ 21 °C → é \\ud800')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env=environment(PYTHONIOENCODING="ascii"),
    )
    assert done.stdout == b"+ 21 deg C -> ? \\ud800\n"
