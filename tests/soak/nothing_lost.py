"""Twenty boards number their readings for a day, while everything around them is cut.

Cut are WiFi, broker and hub (both by `kill -9`), the network (30 % loss and 2 s delay), power, and
power in the middle of a write to the flash. A day of readings ten seconds apart is 8,640 rounds a
board, in six parts of four hours. Each part has its own seed and begins with new boards and empty
stores. `make soak ONLY=day` runs them all, in forty minutes, `ONLY=day_08` the one from eight
o'clock, and `ONLY=lost` the first one, in seven minutes.

What is faster than the day is the interval alone: a round every 0.25 s, forty times as often. The
clock of the boards, their time-outs, TCP, the flash, the broker and the hub run at the pace of the
world, so that what the firmware does between two rounds is what it does at home. Measured in
rounds, an outage of 1 to 40 s is one of 40 s to 27 minutes of the day, with up to 160 readings owed
by a board: far less than its ring holds. Only the time after which a connection counts as a good
one is 40 times shorter (see `numbered.tree`): it belongs to how often things are cut.
"""

import time
from collections import Counter as Tally
from collections.abc import Callable, Sequence

import campaign
import numbered

DAY_H, PART_H = 24, 4
PARTS = tuple(f"day_{hour:02}" for hour in range(0, DAY_H, PART_H))
NAMES = ("lost", "misdated", "sent", *PARTS)
BOARDS, PACE = 20, 40
ROUNDS = int(PART_H * 3600 / numbered.INTERVAL_S)
Figure = Callable[[str, float, str], None]


def run(figure: Figure, parts: Sequence[str] = PARTS[:1]) -> None:
    reports = []
    for part in parts:
        reports.append(_part(part))
        if len(parts) > 1:
            _tell(figure, reports[-1:], f".{part}")
    _tell(figure, reports, "")
    for part, report in zip(parts, reports, strict=True):
        assert not report.lost and not report.misdated, f"{part}: {report.failures()}"


def _part(part: str) -> campaign.Report:
    hour = part.removeprefix("day_")
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"# part {hour}:00, {time.monotonic() - began:.0f} s: {text}", flush=True)

    interval_s = numbered.INTERVAL_S / PACE
    return campaign.run(BOARDS, ROUNDS, interval_s, seed=int(hour) + 1, tell=tell)


def _tell(figure: Figure, reports: Sequence[campaign.Report], of: str) -> None:
    cuts = sum((report.cuts for report in reports), Tally())
    figure(f"sent{of}", sum(report.taken for report in reports), "readings")
    figure(f"lost{of}", sum(len(report.lost) for report in reports), "readings")
    figure(f"misdated{of}", sum(len(report.misdated) for report in reports), "readings")
    figure(f"misdated{of}.worst_dated_s", max(report.worst_dated_s for report in reports), "s")
    figure(f"misdated{of}.worst_live_s", max(report.worst_live_s for report in reports), "s")
    figure(f"sent{of}.twice", sum(report.sent_twice for report in reports), "readings")
    figure(f"sent{of}.not_owed", sum(r.taken - r.owed for r in reports), "readings")
    for kind in sorted(cuts):
        figure(f"sent{of}.cuts_{kind}", cuts[kind], "")
