"""A stack for `make bench` and `make soak`, which know no fixtures."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import engine
import local_images
from running_stack import CORE, RunningStack


@contextmanager
def fresh_stack(
    services: list[str] = CORE,
    profile: str = "core",
    also: Sequence[local_images.LocalImage] = (),
) -> Iterator[RunningStack]:
    """A running stack; raises RuntimeError where there can be none.

    `also` names images that take many minutes to build.
    """
    reason = engine.lacking()
    if reason:
        raise RuntimeError(reason)
    with engine.running(), tempfile.TemporaryDirectory() as scratch:
        local_images.bring(also)
        stack = RunningStack(Path(scratch) / "state", services, profile)
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()
