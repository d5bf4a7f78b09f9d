"""What became of every number that a campaign's boards have read."""

from collections import Counter as Tally
from collections.abc import Iterable
from dataclasses import dataclass, field

from numbered import Counter
from stores import Store

# Neither depends on how often a board measures: both are of clocks and networks, which run here at
# the pace of the world. A reading with a time of its own (backfill) is dated by SNTP, to half the
# round trip of an answer.
DATED_S = 0.5
# A live reading has the time of its arrival (contract 1). It waits for two seconds at most, else it
# goes as backfill; ten seconds without an acknowledgement later the board gives the connection up,
# and sends it as backfill too. What was in the air by then comes within a delay and a lost packet.
LIVE_S = 2.0 + 10.0 + 3.0
# Of a live reading the store takes the time, in ns; a board counts in ms.
_MS = 1_000_000
_FAILURES, _NEAR_S = 20, 5.0


@dataclass
class Misdated:
    """A number with a time that it was not read at, or with two."""

    device: str
    number: int
    read_at: float
    late_s: list[float]


@dataclass
class Report:
    """The sums of a campaign; `worst_` are seconds from being read to the time in the store.

    `slack_s` is what a busy machine may add to the limits of a time.
    """

    slack_s: float = 0.0
    taken: int = 0
    owed: int = 0
    sent_twice: int = 0
    # (device, number, when it was read)
    lost: list[tuple[str, int, float]] = field(default_factory=list)
    misdated: list[Misdated] = field(default_factory=list)
    worst_dated_s: float = 0.0
    worst_live_s: float = 0.0
    cuts: "Tally[str]" = field(default_factory=Tally)
    # (kind, from, to) in Unix time, to look at what was lost or misdated.
    outages: list[tuple[str, float, float]] = field(default_factory=list)

    def judge(self, device: str, counter: Counter, rows: Iterable[tuple[int, float]]) -> None:
        """Add what one board has read, and what the store has of it."""
        found: dict[int, list[int]] = {}
        for time_ns, value in rows:
            found.setdefault(int(value), []).append(time_ns)
        owed = counter.owed()
        self.taken += len(counter.taken)
        self.owed += len(owed)
        missing = sorted(owed - found.keys())
        self.lost += [(device, number, counter.taken[number - 1]) for number in missing]
        for number, times_ns in found.items():
            self._date(device, number, counter.taken[number - 1], times_ns)

    def failures(self) -> str:
        """What was lost or misdated, each with what was cut at the time."""
        lines = [f"{len(self.lost)} lost, {len(self.misdated)} misdated"]
        for device, number, read_at in self.lost[:_FAILURES]:
            lines.append(f"{device} {number} is lost; {self._cut(read_at, read_at)}")
        for one in self.misdated[:_FAILURES]:
            cut = self._cut(one.read_at, one.read_at + max(one.late_s))
            late = ", ".join(f"{late:+.3f} s" for late in one.late_s)
            lines.append(f"{one.device} {one.number} is late by {late}; {cut}")
        return "\n".join(lines)

    def _cut(self, first: float, last: float) -> str:
        return ", ".join(
            f"{what} from {since - first:+.1f} s to {until - first:+.1f} s"
            for what, since, until in self.outages
            if since <= last + _NEAR_S and until >= first - _NEAR_S
        )

    def _date(self, device: str, number: int, read_at: float, times_ns: list[int]) -> None:
        late_s = {time_ns: time_ns / 1e9 - read_at for time_ns in times_ns}
        dated = [late for time_ns, late in late_s.items() if not time_ns % _MS]
        live = [late for time_ns, late in late_s.items() if time_ns % _MS]
        self.worst_dated_s = max([self.worst_dated_s, *map(abs, dated)])
        self.worst_live_s = max([self.worst_live_s, *live])
        dated_s = DATED_S + self.slack_s
        right = all(-dated_s <= late <= dated_s for late in dated)
        right = right and all(-dated_s <= late <= LIVE_S + self.slack_s for late in live)
        # It may come again as backfill, as often as it likes, but with the same time.
        if not right or len(dated) > 1:
            self.misdated.append(Misdated(device, number, read_at, list(late_s.values())))


def missing(store: Store, counters: dict[str, Counter]) -> int:
    """How many of the numbers of its devices the store does not have yet; it is read once."""
    rows = store.rows()
    return sum(
        len(counter.owed() - {int(value) for _, value in rows.get(device, ())})
        for device, counter in counters.items()
    )


def sent_twice(store: Store) -> int:
    """Readings that came more than once, each time counted."""
    return sum(count - 1 for count in store.wire.heard.values())
