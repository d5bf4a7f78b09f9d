"""`mote hub` as a process of its own, and disks that are really full."""

import errno
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from clients import until

MOTE = Path(sys.executable).with_name("mote")


@contextmanager
def running(data: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    """`mote hub` without a dashboard, and what it says of itself at the start."""
    command = [MOTE, "hub", "--data", data, "--mqtt-port", "0", "--no-dashboard", "--json"]
    with subprocess.Popen(
        [*command, *(options or ("--mqtt-host", "127.0.0.1"))],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def mote(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([MOTE, *map(str, arguments)], capture_output=True, text=True, timeout=120)


@contextmanager
def small_disk(folder: Path, size: str, *, read_only: bool = False) -> Iterator[Path]:
    """A file system of its own, which is really full or read-only."""
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting needs root rights")
    try:
        yield folder
    finally:
        # Somebody may just look into it.
        until(lambda: not subprocess.run(["umount", folder], capture_output=True).returncode)


def fill(folder: Path) -> Path:
    """Take the last byte of its disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC
    return filler
