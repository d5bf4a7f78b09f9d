"""Tries to get the secrets of a board: random portal posts and `config` patches in a rogue world.

Forms and patches go through the compiled firmware on MicroPython, which runs in a world that lets
it in everywhere and writes down what comes (trust_on_device.py). What came is judged apart from it
(trust_judge.py). Some go to whole boards between rogue networks (rogue.py).

`python tests/soak/trust.py portal|config NUMBER [SEED]` shows a single case.
"""

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rogue
import trust_judge
from trust_cases import Case, Maker

NAMES = (
    "trust_portal_posts",
    "trust_config_patches",
    "trust_rogue_posts",
    "trust_secrets_leaked",
)

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RUNTIME = Path(sys.executable).with_name("micropython")
HEAP = "8M"
POSTS = int(os.environ.get("MOTE_TRUST_POSTS", "60000"))
PATCHES = int(os.environ.get("MOTE_TRUST_PATCHES", "50000"))
# Two boards at a time; a campaign that takes longer ends with what it has.
BOARDS = 2
LONGEST_S = {"portal": 210, "config": 100, "rogue": 70}
# Posts to whole boards, so many at a time, in a house with a real broker (rogue.py).
ROGUE_POSTS, ROGUE_BOARDS = 300, 4
CASE_S = 120
TOLD_EVERY_S = 30
SHOWN = 5


@dataclass
class Outcome:
    """How many posts or patches there were, and what was wrong: (case, faults)."""

    count: int = 0
    sent: int = 0
    wrong: list[tuple[Case, list[str]]] = field(default_factory=list)


class Board:
    """The firmware in a process of its own, which runs one case after the other."""

    def __init__(self, folder: Path) -> None:
        self._log = folder.with_suffix(".errors").open("wb")
        self._process = subprocess.Popen(
            [RUNTIME, "-X", f"heapsize={HEAP}", HERE / "trust_on_device.py", folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
            text=True, errors="replace", env={**os.environ, "MICROPYPATH": ".frozen"},
        )  # fmt: skip

    def run(self, case: Case) -> tuple[list[list[Any]], list[str]]:
        """What was seen of a case, and the board's log. Raises RuntimeError when it breaks off."""
        assert self._process.stdin and self._process.stdout
        late = threading.Timer(CASE_S, self._process.kill)
        late.start()
        log: list[str] = []
        try:
            self._process.stdin.write(json.dumps(case.wire) + "\n")
            self._process.stdin.flush()
            for line in self._process.stdout:
                if line.startswith("result "):
                    result = json.loads(line[7:])
                    if result["failure"]:
                        raise RuntimeError(result["failure"])
                    return result["seen"], log
                log.append(line.rstrip("\n"))
        except BrokenPipeError:
            pass
        finally:
            late.cancel()
        raise RuntimeError("the firmware ended:\n" + "\n".join(log[-20:]))

    def close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        if self._process.wait(30):
            print(f"# the runtime ended with {self._process.returncode}", flush=True)
        self._log.close()


@contextmanager
def board() -> Iterator[Board]:
    """A board with the firmware of this tree."""
    from motekit import boards, firmware, packages

    built = firmware.build(boards.default_for("esp32"), lean=False)
    with tempfile.TemporaryDirectory(prefix="mote-trust-") as made:
        folder = Path(made) / "flash"
        shutil.copytree(built / firmware.SLOT, folder / "fw")
        shutil.copytree(packages.folder("umqtt-simple"), folder / "umqtt")
        (folder / "models").mkdir()
        for name in ("network", "machine"):
            shutil.copy(ROOT / "sim" / "runtime" / "models" / f"{name}.py", folder / "models")
        one = Board(folder)
        try:
            yield one
        finally:
            one.close()


def campaign(
    kind: str, count: int, seed: int, tell: Callable[[str], None] = lambda _: None
) -> Outcome:
    """At least `count` posts or patches, unless the time is up before."""
    outcome, began, turn = Outcome(), time.monotonic(), threading.Lock()
    broken: list[BaseException] = []
    numbers = iter(range(10**9))
    told = began

    def work() -> None:
        nonlocal told
        try:
            with board() as one:
                while not broken and outcome.count < count:
                    with turn:
                        number = next(numbers)
                        now = time.monotonic()
                        if now - told > TOLD_EVERY_S:
                            told = now
                            tell(
                                f"{outcome.count} of {count} by {kind}, {len(outcome.wrong)} wrong"
                            )
                    if now - began > LONGEST_S[kind]:
                        return
                    case = getattr(Maker(seed), kind)(number)
                    seen, log = one.run(case)
                    wrong = trust_judge.faults(case, seen, log)
                    with turn:
                        outcome.count += sum(len(body) > 0 for body in case.bodies)
                        outcome.sent += sum(event[1] == "sent" for event in seen)
                        if wrong:
                            outcome.wrong.append((case, wrong))
        except BaseException as error:
            error.add_note(f"seed {seed}, {kind} {number if 'number' in locals() else '?'}")
            broken.append(error)

    threads = [threading.Thread(target=work) for _ in range(BOARDS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if broken:
        raise broken[0]
    return outcome


def run(figure: Callable[[str, float, str], None]) -> None:
    seed = int(os.environ.get("MOTE_TRUST_SEED") or random.SystemRandom().randrange(1 << 31))
    print(f"# seed {seed}: MOTE_TRUST_SEED={seed} does the same again", flush=True)
    leaked = 0
    for kind, count, name in (
        ("portal", POSTS, "trust_portal_posts"),
        ("config", PATCHES, "trust_config_patches"),
    ):
        outcome = campaign(kind, count, seed, tell=lambda text: print(f"# {text}", flush=True))
        show(kind, seed, outcome)
        figure(name, outcome.count, "")
        leaked += len(outcome.wrong)
        assert outcome.sent > outcome.count / 20, "the board hardly sent anything: nothing is shown"
    rogue_house = whole_boards(ROGUE_POSTS, seed, ROGUE_BOARDS)
    figure("trust_rogue_posts", rogue_house.posts, "")
    print(*(f"# seed {seed}, {leak}" for leak in rogue_house.leaks), sep="\n", flush=True)
    leaked += len(rogue_house.leaks)
    figure("trust_secrets_leaked", leaked, "")
    assert not leaked, f"{leaked} cases give a secret away or change too much: see above"


def whole_boards(posts: int, seed: int, at_once: int) -> rogue.House:
    """Forms to whole boards between rogue networks; what the rogue's mosquitto got is in it."""
    with tempfile.TemporaryDirectory(prefix="mote-rogue-") as folder:
        work = rogue.campaign(Path(folder), posts, seed, at_once, LONGEST_S["rogue"])
        house = asyncio.run(work)
    assert house.controls == 2, "the rogue does not receive even what is meant for it"
    return house


def show(kind: str, seed: int, outcome: Outcome) -> None:
    for case, wrong in outcome.wrong[:SHOWN]:
        print(f"# seed {seed}, {kind} {case.number}: {'; '.join(wrong)}", flush=True)
    if outcome.wrong:
        print(f"# again: python tests/soak/trust.py {kind} NUMBER {seed}", flush=True)


def main() -> int:
    """Show one case: what was posted, what came out, and the verdict."""
    kind, number, *seed = sys.argv[1:]
    case = getattr(Maker(int(seed[0]) if seed else 1), kind)(int(number))
    with board() as one:
        seen, log = one.run(case)
    print("stored", json.dumps(case.stored, ensure_ascii=False))
    print(*(f"body {body!r}" for body in case.bodies), sep="\n")
    print(*(f"log {line}" for line in log if "setup: \u2588" not in line), sep="\n")
    for event in seen:
        print(*event)
    wrong = trust_judge.faults(case, seen, log)
    print(*(f"WRONG {fault}" for fault in wrong), sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
