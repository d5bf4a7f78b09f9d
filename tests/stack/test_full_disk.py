"""The disk of the broker is full while numbered readings flow: none is lost, and it recovers."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from numbered_flow import Numbered
from running_stack import RunningStack, eventually
from test_kills import saved_once

pytestmark = pytest.mark.stack

READINGS = 20_000
PER_SECOND = 1_000
DISK_MB = 8


@contextlib.contextmanager
def small_disk(stack: RunningStack) -> Iterator[Path]:
    """What the broker keeps lies on a disk of its own, of a few megabytes."""
    folder = stack.installation.data / "mosquitto"
    beside = folder.with_name("mosquitto-before")
    owner = folder.stat()
    options = f"size={DISK_MB}m,mode=700,uid={owner.st_uid},gid={owner.st_gid}"
    stack.compose("stop", "mosquitto")
    folder.rename(beside)
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    shutil.copytree(beside, folder, dirs_exist_ok=True, copy_function=_with_owner)
    stack.compose("up", "--detach", "--force-recreate", "--wait", "mosquitto")
    try:
        yield folder
    finally:
        stack.compose("stop", "mosquitto")
        shutil.copytree(folder, beside, dirs_exist_ok=True, copy_function=_with_owner)
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()
        beside.rename(folder)
        stack.compose("up", "--detach", "--force-recreate", "--wait", "mosquitto")


def _with_owner(source: str, target: str) -> None:
    shutil.copy2(source, target)
    found = Path(source).stat()
    os.chown(target, found.st_uid, found.st_gid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk_of_the_broker_loses_nothing(stack: RunningStack) -> None:
    # The accounts first: they restart the broker, which then reads what it kept.
    flow = Numbered(stack, "full", READINGS, PER_SECOND)
    with small_disk(stack) as disk:
        ballast = disk / "ballast"

        def fill() -> None:
            with ballast.open("wb", buffering=0) as file:

                def full() -> bool:
                    with contextlib.suppress(OSError):
                        while True:
                            file.write(bytes(4096))
                    return shutil.disk_usage(disk).free == 0

                # What the broker gives up meanwhile is taken as well.
                eventually(full)

        flow.flow_while(fill, ballast.unlink)
        missing = flow.lost()
        assert not missing, f"{len(missing)} of {READINGS} lost, such as {sorted(missing)[:5]}"
        # And it writes again.
        saved_once(stack)
