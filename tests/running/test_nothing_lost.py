"""Every reading that was taken arrives, with its right time, whatever is cut meanwhile.

The short form of the campaign of `make soak`.
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "soak"))

from campaign import AROUND, POWER, Campaign


def test_three_boards_lose_nothing_while_everything_is_cut(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, boards=3, interval_s=0.25, seed=2, slack_s=2)
    report = asyncio.run(campaign.run(rounds=60))
    assert report.owed > 150 and set(report.cuts) == {*AROUND, *POWER}, report
    assert not report.lost and not report.misdated, report.failures()
