"""A stack for `make bench` and `make soak`, which know no fixtures."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import engine
import local_images
from running_stack import CORE, RunningStack


@contextmanager
def fresh_stack(
    services: list[str] = CORE, profile: str = "core", heavy: bool = False
) -> Iterator[RunningStack]:
    """A running stack; raises RuntimeError where there can be none.

    `heavy` also builds the images that take many minutes.
    """
    reason = engine.lacking()
    if reason:
        raise RuntimeError(reason)
    with engine.running(), tempfile.TemporaryDirectory() as scratch:
        local_images.bring(heavy)
        stack = RunningStack(Path(scratch) / "state", services, profile)
        stack.start()
        try:
            yield stack
        finally:
            stack.stop()
