"""Which port a board is on, and what to do where it cannot be used."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from motekit.serial import Port, PortError, holders, ports
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo
from terminal import MOTE, eventually


@pytest.fixture
def wire() -> str:
    """A port that can be opened: one end of a pseudo-terminal."""
    outer, end = pty.openpty()
    yield os.ttyname(end)
    os.close(outer)
    os.close(end)


def plug(monkeypatch, *boards: tuple[str, int | None, str | None]) -> None:
    """What the system says is plugged in: path, USB vendor, serial number."""

    def comports() -> list[ListPortInfo]:
        found = []
        for path, vendor, number in boards:
            info = ListPortInfo(path)
            info.vid, info.serial_number = vendor, number
            found.append(info)
        return found

    monkeypatch.setattr(list_ports, "comports", comports)


CP210X = ("/dev/ttyUSB0", 0x10C4, "0001")
NATIVE = ("/dev/ttyACM0", 0x303A, None)
MODEM = ("/dev/ttyS0", None, None)
MOUSE = ("/dev/ttyACM1", 0x046D, None)


def test_boards_are_known_by_the_maker_of_their_usb_chip(monkeypatch) -> None:
    plug(monkeypatch, CP210X, MODEM, MOUSE, NATIVE, ("/dev/ttyUSB1", 0x1A86, ""),
         ("/dev/ttyUSB2", 0x0403, "A1"))  # fmt: skip
    assert ports.find()[:2] == [
        Port("/dev/ttyACM0", "Espressif", ""),
        Port("/dev/ttyUSB0", "Silicon Labs CP210x", "0001"),
    ]
    assert [port.path for port in ports.find()[2:]] == ["/dev/ttyUSB1", "/dev/ttyUSB2"]


def test_the_only_board_is_taken(monkeypatch) -> None:
    plug(monkeypatch, MODEM, CP210X, MOUSE)
    assert ports.choose() == "/dev/ttyUSB0"


def test_of_several_boards_one_has_to_be_named(monkeypatch) -> None:
    plug(monkeypatch, CP210X, NATIVE)
    with pytest.raises(PortError, match=r"2 boards .* /dev/ttyACM0 \(Espressif\), /dev/ttyUSB0 "):
        ports.choose()


def usb(monkeypatch, folder: Path, *vendors: str) -> None:
    """What is on USB, as Linux tells it."""
    for number, vendor in enumerate(vendors):
        device = folder / f"1-{number}"
        device.mkdir(parents=True)
        (device / "idVendor").write_text(f"{vendor}\n")
    monkeypatch.setattr(ports, "USB", folder)


def test_a_cable_that_only_charges(monkeypatch, tmp_path: Path) -> None:
    plug(monkeypatch, MODEM)
    usb(monkeypatch, tmp_path, "046d", "1d6b")
    with pytest.raises(PortError, match="no board is plugged in") as caught:
        ports.choose()
    assert "its cable only charges: use a USB cable that carries data" in str(caught.value)
    assert "mote sim list" in str(caught.value) and ports.DRIVERS not in str(caught.value)


def test_a_board_on_usb_that_gets_no_port(monkeypatch, tmp_path: Path) -> None:
    plug(monkeypatch, MODEM)
    usb(monkeypatch, tmp_path, "046d", "1a86")
    with pytest.raises(PortError, match=r"\(WCH CH340, CH9102\) is plugged in, but has no port"):
        ports.choose()
    monkeypatch.setattr(ports, "USB", tmp_path / "another system")
    with pytest.raises(PortError, match=r"cable only charges.* dmesg.*brltty|driver of its maker"):
        ports.choose()


def test_a_port_that_is_given_is_taken_whatever_it_is_if_it_is_there(monkeypatch, wire) -> None:
    plug(monkeypatch, CP210X)
    assert ports.choose(wire) == wire
    with pytest.raises(PortError, match=r"no port /dev/ttyUSB7\. There is /dev/ttyUSB0"):
        ports.choose("/dev/ttyUSB7")


LOCKS = """
import sys, serial
port = serial.Serial(sys.argv[1], exclusive=True)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other_program(wire):
    """Another program that has the port for itself."""
    with subprocess.Popen([sys.executable, "-c", LOCKS, wire], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as program:  # fmt: skip
        assert program.stdout.readline() == b"locked\n"
        yield program
        program.stdin.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc names the program")
def test_a_busy_port_is_answered_with_the_program_that_has_it(wire, other_program) -> None:
    name = Path(f"/proc/{other_program.pid}/comm").read_text().strip()
    assert holders.of(wire) == [holders.Holder(other_program.pid, name)]
    program = other_program.pid
    text = rf"{wire} is in use by {name} \(process {program}\).*`kill {program}`"
    with pytest.raises(PortError, match=text), ports.opened(wire):
        pass
    shown = subprocess.run([MOTE, "monitor", wire], capture_output=True, text=True, timeout=180)
    assert shown.returncode == 1 and f"process {other_program.pid}" in shown.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc names the program")
def test_a_program_that_reads_without_locking_would_steal_half_and_is_named(wire) -> None:
    with subprocess.Popen(["cat", wire], stdout=subprocess.DEVNULL) as cat:
        eventually("cat has it open", lambda: holders.of(wire))
        with pytest.raises(PortError, match=r"in use by cat"), ports.opened(wire):
            pass
        cat.kill()
    with ports.opened(wire) as port:
        assert port.is_open


WITHOUT_RIGHTS = """
# All of it before the rights are gone: Python itself may lie where nobody else may look.
import grp, os, pwd, sys
from serial.tools import list_ports
from motekit.serial import PortError, ports
ports.find(), ports.permission(sys.argv[1])
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    with ports.opened(sys.argv[1]):
        pass
except PortError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="udev is of Linux")
def test_no_permission_is_answered_with_the_group_and_a_udev_rule(wire) -> None:
    Path(wire).chmod(0)
    shown = subprocess.run([sys.executable, "-c", WITHOUT_RIGHTS, wire], capture_output=True,
                           text=True, timeout=180)  # fmt: skip
    group = Path(wire).group()
    assert shown.stdout.startswith(f"no permission for {wire}. "), shown.stderr
    assert f"sudo usermod -aG {group} $USER" in shown.stdout
    assert "log out and in again" in shown.stdout
    assert "10c4|1a86|0403|303a" in shown.stdout and ports.UDEV_RULES in shown.stdout
    assert ports.permission(wire) == "" or os.geteuid() != 0


@pytest.mark.skipif(sys.platform != "linux", reason="udev is of Linux")
def test_the_offered_command_writes_the_rule_that_it_shows(tmp_path) -> None:
    rules = tmp_path / "60-mote.rules"
    command = ports.UDEV_COMMAND.split(" && ")[0].replace("sudo ", "")
    subprocess.run(["sh", "-c", command.replace(ports.UDEV_RULES, str(rules))], check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    assert rules.read_text() == ports.UDEV_RULE + "\n"


def test_a_port_that_went_away_while_it_was_opened_says_so() -> None:
    error = FileNotFoundError(2, "No such file or directory")
    assert "cannot be opened" in str(ports.refusal("/dev/ttyUSB0", error))
