"""Runs the parts of `make bench` or `make soak` and prints their figures.

`python tests/measure.py bench|soak [--only PREFIX]`; `python tests/measure.py time NAME COMMAND...`
runs a command and keeps how many seconds it took when it succeeds.

A part is a file of `tests/bench` or `tests/soak` with `NAMES`, the figures that it gives, and
`run(figure)`. One that takes long has `PARTS` too, names of figures of which PREFIX may choose
some, and `run(figure, parts)`. One with `ENGINES` needs these (see `engines`): they are made before
its time begins. A figure is a line `bench <name> <value> <unit>` and an entry of the flat object in
`build/figures.json`.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
FIGURES = HERE.parent / "build" / "figures.json"
Figure = Callable[[str, float, str], None]


def parts(kind: str, only: str) -> list[ModuleType]:
    """The parts of `kind` with a figure whose name begins with `only`."""
    found = []
    sys.path.insert(0, str(HERE / kind))
    for path in sorted((HERE / kind).glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"{kind}_{path.stem}", path)
        assert spec and spec.loader
        part = importlib.util.module_from_spec(spec)
        # Dataclasses look for the module that they are in.
        sys.modules[spec.name] = part
        spec.loader.exec_module(part)
        names = getattr(part, "NAMES", ())
        if any(name.startswith(only) for name in names):
            found.append(part)
    return found


def timed(name: str, command: list[str]) -> int:
    """Run `command` and return its exit code; with 0, keep its seconds as the figure `name`."""
    began = time.monotonic()
    code = subprocess.run(command).returncode
    if code == 0:
        seconds = round(time.monotonic() - began, 1)
        print(f"bench {name} {seconds:g} s", flush=True)
        keep(name, seconds)
    return code


def prepared(part: ModuleType) -> bool:
    """Make the engines of a part; False when one cannot be made."""
    wanted = getattr(part, "ENGINES", ())
    if not wanted:
        return True
    import engines

    return not engines.prepare(wanted, lambda text: print(f"# {text}", flush=True))


def main() -> int:
    if sys.argv[1:2] == ["time"] and len(sys.argv) > 3:
        return timed(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["bench", "soak"])
    parser.add_argument("--only", default="", metavar="PREFIX", help="figures that begin so")
    given = parser.parse_args()
    failed = False
    for part in parts(given.kind, given.only):
        if not prepared(part):
            failed = True
            continue
        began = time.monotonic()
        print(f"# {part.__name__}: {(part.__doc__ or '').splitlines()[0]}", flush=True)

        def figure(name: str, value: float, unit: str) -> None:
            shown = f"{value:.3f}".rstrip("0").rstrip(".")
            print(f"{given.kind} {name} {shown} {unit}", flush=True)
            keep(name, float(shown))

        try:
            chosen = [name for name in getattr(part, "PARTS", ()) if name.startswith(given.only)]
            part.run(figure, chosen) if chosen else part.run(figure)
        except Exception:
            traceback.print_exc()
            failed = True
        print(f"# {part.__name__}: {time.monotonic() - began:.0f} s", flush=True)
    return 1 if failed else 0


def keep(name: str, value: float) -> None:
    """Write the figure beside those of other runs."""
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    figures[name] = value
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
