"""Which signals a process has a handler for: whether Ctrl-C would interrupt it."""

import contextlib
import subprocess
from pathlib import Path


def caught_signals(process: int) -> int:
    """The mask of signals for which `process` has a handler; 0 when there is no such process."""
    status = Path(f"/proc/{process}/status")
    if Path("/proc/self/status").exists():
        with contextlib.suppress(OSError):
            return int(status.read_text().split("SigCgt:")[1].split()[0], 16)
        return 0
    # macOS.
    command = ["ps", "-o", "sigcatch=", "-p", str(process)]
    return int(subprocess.run(command, capture_output=True, text=True).stdout.strip() or "0", 16)
