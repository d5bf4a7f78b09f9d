"""The one place that knows `mpremote`: its command line, which is kept stable, not its library."""

import subprocess
import sys


def shell(path: str) -> int:
    """Connect this terminal to the REPL of the board at `path` until Ctrl-]. The exit code."""
    # `resume` leaves the board's program as it is.
    command = [sys.executable, "-m", "mpremote", "connect", path, "resume", "repl"]
    return subprocess.call(command)
