"""Collects `device_*.py`: tests of the firmware that run on the real MicroPython runtime.

Each file is one MicroPython process with the compiled firmware, as it is flashed; each `test_*`
function (plain or async) in it is one pytest item.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from motekit import boards, firmware, packages

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RUNTIME = Path(sys.executable).with_name("micropython")
HEAP = "1M"
TIMEOUT_S = 240


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.name.startswith("device_") and file_path.suffix == ".py":
        return DeviceFile.from_parent(parent, path=file_path)
    return None


class DeviceFile(pytest.File):
    results: dict[str, str | None] | None = None
    output = ""

    def collect(self):
        for name in re.findall(r"^(?:async )?def (test_\w+)", self.path.read_text(), re.M):
            yield DeviceTest.from_parent(self, name=name)

    def run(self) -> dict[str, str | None]:
        if self.results is None:
            tree = firmware.build(boards.default_for("esp32"), lean=False)
            built = tree / firmware.SLOT
            paths = [str(p) for p in (HERE, built, packages.folder("umqtt-simple"))]
            command = [str(RUNTIME), "-X", f"heapsize={HEAP}", str(HERE / "runner.py")]
            try:
                done = subprocess.run(
                    [*command, *paths, "--", self.path.stem],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=TIMEOUT_S,
                    cwd=ROOT,
                    env={**os.environ, "MICROPYPATH": ".frozen"},
                )
                self.output = done.stdout
            except subprocess.TimeoutExpired as late:
                # The tests before the one that hangs have their results.
                self.output = (late.stdout or b"").decode() + f"\nstopped after {TIMEOUT_S} s"
            lines = [line[7:] for line in self.output.split("\n") if line.startswith("result ")]
            self.results = {r["test"]: r["failure"] for r in map(json.loads, lines)}
        return self.results


class DeviceTest(pytest.Item):
    def runtest(self) -> None:
        results = self.parent.run()
        if self.name not in results:
            raise DeviceFailure(f"the runtime ended before this test:\n{self.parent.output}")
        if results[self.name]:
            raise DeviceFailure(results[self.name])

    def repr_failure(self, excinfo, style=None):
        return str(excinfo.value)

    def reportinfo(self):
        return self.path, None, f"{self.path.stem}.{self.name}"


class DeviceFailure(Exception):
    """A test failed on the MicroPython runtime; the text is its traceback there."""
