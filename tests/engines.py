"""Make what the tests need and cannot make in passing, and say how far it is.

`python tests/engines.py [--only GROUP|PREFIX]`: without it, what `make test` uses; `soak` is what
only `make soak` uses; else what begins with PREFIX. There is no limit of time, and what is ready
stays when the rest fails or is interrupted: see `prepared`.
"""

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / room) for room in ("stack", "improv", "running", "wokwi")]

import engine
import go_programs
import grafana_source
import home_assistant_packages
import image_source
import mote_image
import npm_packages
import prepared
import wokwi_environment

GROUPS = ("test", "soak")
# So often it says that it still works.
ALIVE_S = 30.0


def known() -> list[prepared.Engine]:
    """Every engine, in the order in which they are made."""
    return [
        *npm_packages.ENGINES,
        home_assistant_packages.ENGINE,
        wokwi_environment.ENGINE,
        mote_image.WHEELS,
        *go_programs.engines(),
        grafana_source.ENGINE,
    ]


def chosen(only: str) -> list[prepared.Engine]:
    """The engines of a group, or those whose names begin with `only`."""
    group = only or "test"
    if group in GROUPS:
        return [one for one in known() if one.group == group]
    return [one for one in known() if one.name.startswith(only)]


def prepare(only: Sequence[str] = ("test",), say: Callable[[str], None] = print) -> list[str]:
    """Make what is missing, saying how far it is; returns why each of the others failed."""
    began = time.monotonic()
    say(f"Engines of the tests, kept in {prepared.FOLDER}")
    for group in dict.fromkeys(one.group for name in only for one in chosen(name)):
        _choose_images(group, say)
    wanted = [one for name in only for one in chosen(name) if one.needed()]
    failures, made = [], 0
    for number, one in enumerate(wanted, 1):
        title = f"[{number}/{len(wanted)}] {one.name} {one.version}"
        if one.ready:
            say(f"{title}: ready")
            continue
        if reason := one.lacking():
            say(f"{title}: cannot be made here, its tests are skipped: {reason}")
            continue
        try:
            with _progress(title, say) as tell:
                one.prepare(tell)
            made += 1
        except (RuntimeError, OSError) as error:
            failures.append(f"{one.name} {one.version}: {error}")
            say(f"{title}: failed\n{error}")
    took = time.monotonic() - began
    say(f"{made} made, {len(failures)} failed, {len(wanted)} in all, {took:.0f} s")
    return failures


def _choose_images(group: str, say: Callable[[str], None]) -> None:
    if not engine.lacking_docker():
        tell = partial(_say_of_images, group, say)
        image_source.choose(group, tell, engine.daemon)


def _say_of_images(group: str, say: Callable[[str], None], text: str) -> None:
    say(f"Images of Docker ({group}): {text}")


@contextmanager
def _progress(title: str, say: Callable[[str], None]) -> Iterator[prepared.Tell]:
    """Say each step as it begins, how long the whole took, and now and then that it goes on."""
    began = time.monotonic()
    step = "beginning"
    over = threading.Event()

    def tell(text: str) -> None:
        nonlocal step
        step = text
        say(f"{title}: {text}")

    def alive() -> None:
        while not over.wait(ALIVE_S):
            say(f"{title}: {step}, {time.monotonic() - began:.0f} s so far")

    watcher = threading.Thread(target=alive, daemon=True)
    watcher.start()
    try:
        yield tell
        say(f"{title}: ready after {time.monotonic() - began:.0f} s")
    finally:
        over.set()
        watcher.join()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="GROUP|PREFIX", help="test, soak, or a name")
    given = parser.parse_args()
    if not chosen(given.only):
        names = ", ".join(one.name for one in known())
        print(f"nothing begins with {given.only!r}: choose test, soak, or one of {names}")
        return 2
    failures = prepare([given.only], lambda text: print(text, flush=True))
    if failures:
        print("What is ready stays: run the same command again.", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
