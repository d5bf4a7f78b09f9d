"""Entry point of `mote`: imports nothing before Ctrl-C is handled.

Importing the commands takes a second on a slow computer. An interrupt ends the process in that time
too, with the exit code of an interrupted program and without a traceback.
"""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

# exits.STOPPED, which is imported too late for this.
INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line. Raises SystemExit."""
    # A shell starts background processes with SIGINT ignored: that stays.
    handles = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if handles:
        signal.signal(signal.SIGINT, _end_at_once)
    from motekit import command_table

    code: object = 0
    try:
        if handles:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        command_table.run()
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        # From here on nothing is left to do but to write the output and to leave.
        if handles:
            signal.signal(signal.SIGINT, _end_after_output)
    sys.exit(code)  # type: ignore[arg-type]


def _end_at_once(number: int, frame: FrameType | None) -> None:
    """End without an exception: the import system and callbacks of C code may swallow one."""
    os._exit(INTERRUPTED)


def _end_after_output(number: int, frame: FrameType | None) -> None:
    # The signal may have come in the middle of a write.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, RuntimeError):
            continue
    os._exit(INTERRUPTED)
