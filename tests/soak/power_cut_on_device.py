"""Cuts the power of MicroPython's file system at every flash operation of a change, many times.

Arguments: the folders for sys.path, `--`, how many seeds for cells that are caught half programmed,
and how many cuts one after the other. Prints a line `fault <where>` for each failure, and
`done <cuts> <failures>`.
"""

import random
import sys
import time

_PROGRESS_S = 10
_SHOWN = 20


class Count:
    """The cuts, those with a fault, and the progress on stderr."""

    def __init__(self):
        self.cuts = 0
        self.failures = 0
        self._shown = time.time()

    def add(self, place, fault):
        self.cuts += 1
        if fault:
            self.failures += 1
            if self.failures <= _SHOWN:
                print("fault", place, fault)
        if time.time() - self._shown >= _PROGRESS_S:
            self._shown = time.time()
            print(f"# {self.cuts} cuts, now at {place}", file=sys.stderr)


def everywhere(count, scenarios, seeds):
    for build in scenarios:
        scenario = build()
        for operation, kind, seed, fault in scenario.faults(range(seeds)):
            count.add((build.__name__, operation, kind, seed), fault)


def chain(count, cuts):
    """A board whose power is cut in every save: what a cut leaves behind is there for the next."""
    from cut_flash import KINDS
    from power_cuts import Scenario, big, chip, document, saving

    image, old = chip(sectors=16), None
    for seed in range(cuts):
        # The noise of the cells has begun its own sequence.
        random.seed(seed)
        new = random.choice((document, big))(str(random.getrandbits(30)))
        scenario = Scenario(image, saving(new), old, new)
        operation = 1 + random.randrange(scenario.operations)
        kind = random.choice(KINDS)
        fault = scenario.fault(operation, kind, seed)
        count.add(("chain", operation, kind, seed), fault)
        if fault:
            image, old = chip(sectors=16), None
        else:
            image, old = scenario.left, scenario.found


def main():
    split = sys.argv.index("--")
    sys.path[:0] = sys.argv[1:split]
    seeds, chained = sys.argv[split + 1 : split + 3]
    import cut_scenarios

    count = Count()
    everywhere(count, cut_scenarios.ALL, int(seeds))
    chain(count, int(chained))
    print("done", count.cuts, count.failures)


if __name__ == "__main__":
    main()
