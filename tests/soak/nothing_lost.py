"""Twenty boards number their readings while WiFi, broker, hub, power, flash and network are cut.

A simulated day is 8,640 rounds, ten seconds apart. The boards take one every second here, for six
minutes of cuts and until all has arrived: `sent` says how many readings that makes.
"""

from collections.abc import Callable

import campaign

NAMES = ("lost", "misdated", "sent")
BOARDS, SECONDS, INTERVAL_S, SEED = 20, 360.0, 1.0, 1


def run(figure: Callable[[str, float, str], None]) -> None:
    report = campaign.run(BOARDS, SECONDS, INTERVAL_S, SEED)
    figure("sent", report.taken, "readings")
    figure("lost", len(report.lost), "readings")
    figure("misdated", len(report.misdated), "readings")
    figure("sent.twice", report.sent_twice, "readings")
    for kind in sorted(report.cuts):
        figure(f"sent.cuts_{kind}", report.cuts[kind], "")
    assert not report.lost, report.lost[:20]
    assert not report.misdated, report.misdated[:20]
