"""Power cuts at every flash operation while the configuration changes, in a model of the chip.

The tests of the device do it with one seed for the cells that are caught half programmed; this
does it with many, and then with cut after cut on the same chip.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

NAMES = ("powercut_points", "powercut_failures")

HERE = Path(__file__).parent
RUNTIME = Path(sys.executable).with_name("micropython")
HEAP = "2m"
SEEDS = 40
CHAINED = 4000
TIMEOUT_S = 900


def run(figure: Callable[[str, float, str], None]) -> None:
    from motekit import boards, firmware

    script = HERE / "power_cut_on_device.py"
    paths = [
        str(HERE.parent / "device"),
        str(firmware.build(boards.default_for("esp32"), lean=False) / firmware.SLOT),
    ]
    done = subprocess.run(
        [
            str(RUNTIME),
            "-X",
            f"heapsize={HEAP}",
            str(script),
            *paths,
            "--",
            str(SEEDS),
            str(CHAINED),
        ],
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        env={**os.environ, "MICROPYPATH": ".frozen"},
    )
    *faults, last = done.stdout.splitlines() or [""]
    print(*faults, sep="\n", end="\n" if faults else "", flush=True)
    assert not done.returncode and last.startswith("done "), f"the runtime ended early: {last}"
    points, failures = map(int, last.split()[1:])
    figure("powercut_points", points, "")
    figure("powercut_failures", failures, "")
    assert not failures, f"{failures} cuts lose the configuration: see above"
