"""Ctrl-C at any moment from the first line of `mote` on: exit code 130, and no traceback.

An audit hook sends the signal at a chosen import, so that the moment does not depend on the speed
of the machine.
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from motekit.exits import DONE, FAILED, STOPPED

MOTE = Path(sys.executable).with_name("mote")
# Run by Python before the program: counts what is imported from the entry point on.
SITE = """
import os, signal, sys
at, seen = int(os.environ["INTERRUPT_AT"]), 0
began = False
def hook(event, arguments):
    global seen, began
    if event != "import":
        return
    if not began and arguments[0] == "motekit.command_table":
        began = True
        if at == -1:
            os.write(2, b"began\\n")
    seen += began
    if began and seen == at:
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(hook)
if at == 0:
    import atexit
    atexit.register(lambda: print("imports", seen, file=sys.stderr))
"""
# Each with other libraries: none; the image's; a network client's, where nobody answers.
COMMANDS = {
    "version": ("--version",),
    "help": ("hub", "--help"),
    "inspect": ("image", "inspect", "no-such-file"),
    "devices": ("devices", "--once", "--server", "127.0.0.1:1", "--user", "a", "--password", "b"),
}


def started(arguments: tuple[str, ...], folder: Path, at: int | None) -> subprocess.Popen[str]:
    (folder / "sitecustomize.py").write_text(SITE)
    environment = {
        **os.environ,
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        **({"PYTHONPATH": str(folder), "INTERRUPT_AT": str(at)} if at is not None else {}),
    }
    return subprocess.Popen(
        [MOTE, *arguments], env=environment, cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_an_interrupt_at_any_import_ends_the_command_quietly(tmp_path, name) -> None:
    _, told = started(COMMANDS[name], tmp_path, 0).communicate(timeout=300)
    imports = int(told.split("imports ")[1])
    assert imports > 50, "the hook sees the imports"
    moments = {1, 2, imports // 4, imports // 2, imports * 3 // 4, imports - 1, imports}
    for at in sorted(moments):
        process = started(COMMANDS[name], tmp_path, at)
        _, told = process.communicate(timeout=300)
        assert (process.returncode, told.strip()) == (STOPPED, ""), f"import {at} of {imports}"


def test_interrupts_at_random_times_leave_no_traceback(tmp_path) -> None:
    """From the moment that the entry point runs until after the end, several signals in a row."""
    for seed in range(8):
        process = started(("hub", "list", "--data", "none"), tmp_path, -1)
        # The interpreter's own start is not ours.
        assert process.stderr and process.stderr.readline() == "began\n"
        chance = random.Random(seed)
        while process.poll() is None:
            try:
                process.wait(chance.uniform(0, 0.3))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=300)
        assert "Traceback" not in told and "Exception ignored" not in told, told
        # As a shell says it, 130 too: the interpreter has given up its handler at the very end.
        assert process.returncode in (STOPPED, -signal.SIGINT, DONE, FAILED), told


def test_a_background_process_goes_on_ignoring_the_interrupt(tmp_path) -> None:
    command = f"trap '' INT; exec '{MOTE}' --version"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "INTERRUPT_AT": "5"}
    (tmp_path / "sitecustomize.py").write_text(SITE)
    done = subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == DONE and done.stdout.startswith("mote "), done.stderr
