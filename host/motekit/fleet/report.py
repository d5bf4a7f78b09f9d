"""How a run goes and what came of it: a table for people, an object for programs."""

from typing import Any

from rich.table import Table

from motekit.fleet.fleet import Fleet
from motekit.fleet.verify import Verdict

PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


def lost(fleet: Fleet, verdict: Verdict | None) -> int:
    """Readings that were taken and are nowhere; at QoS 0 only `verdict` can tell."""
    if verdict:
        return verdict.lost
    return fleet.tally.taken - fleet.tally.acknowledged if fleet.plan.qos else fleet.tally.dropped


def shut_out(fleet: Fleet) -> int:
    """Devices that never got in."""
    return sum(device.present and not device.measuring for device in fleet.devices)


def as_object(fleet: Fleet, verdict: Verdict | None) -> dict[str, Any]:
    """Everything that was counted, by stable names; times in seconds, rates per second."""
    tally = fleet.tally
    latency = {name: tally.latency.percentile(part) for name, part in PERCENTILES.items()}
    return {
        "devices": len(fleet.devices),
        "series": fleet.series,
        "qos": fleet.plan.qos,
        "seed": fleet.plan.seed,
        "seconds": round(fleet.seconds, 3),
        "rate_asked": fleet.rate or None,
        "rate": round(fleet.steady_rate, 1),
        "behind_s": round(fleet.behind_s, 3),
        "taken": tally.taken,
        "sent": tally.sent,
        "sent_again": tally.again,
        "acknowledged": tally.acknowledged,
        "kept": tally.kept,
        "backfilled": tally.backfilled,
        "dropped": tally.dropped,
        "latency_s": {**latency, "max": tally.latency.highest_s} if fleet.plan.qos else None,
        "outages": tally.outages,
        "left": tally.left,
        "connections_broken": tally.broken,
        "failures": dict(tally.failures),
        "never_in": shut_out(fleet),
        "lost": lost(fleet, verdict),
        "verified": verdict and vars(verdict),
    }


def table(fleet: Fleet, verdict: Verdict | None = None) -> Table:
    """The sums so far."""
    tally = fleet.tally
    shown = Table(box=None, show_header=False, pad_edge=False)
    shown.add_column(style="bold green")
    shown.add_column(justify="right")
    shown.add_column(style="dim")
    asked = f"of {fleet.rate:,.0f} asked" if fleet.rate else "as many as the broker takes"
    rows: list[tuple[str, str, str]] = [
        ("Time", f"{fleet.seconds:,.0f} s", _phase(fleet)),
        ("Devices", f"{len(fleet.devices):,}", f"{fleet.series:,} series"),
        ("Rate", f"{fleet.steady_rate:,.0f}", f"publishes a second, {asked}"),
        ("Taken", f"{tally.taken:,}", "readings"),
        ("Sent", f"{tally.sent:,}", f"publishes, {tally.again:,} resent"),
    ]
    if fleet.plan.qos:
        rows.append(("Acknowledged", f"{tally.acknowledged:,}", "readings"))
    if tally.kept:
        note = f"readings while cut off, {tally.backfilled:,} delivered since"
        rows.append(("Kept", f"{tally.kept:,}", note))
    if tally.latency.highest_s:
        steps = (f"{name} {_ms(tally.latency.percentile(p))}" for name, p in PERCENTILES.items())
        longest = f"ms   {'   '.join(steps)}"
        rows.append(("Latency", f"max {_ms(tally.latency.highest_s)}", longest))
    if tally.outages or tally.left or tally.broken:
        note = f"{tally.left:,} left, {tally.broken:,} connections broken by the other side"
        rows.append(("Outages", f"{tally.outages:,}", note))
    for reason, count in tally.failures.most_common(3):
        rows.append(("Not let in", f"{count:,}", reason))
    if verdict:
        note = (
            f"readings, {verdict.duplicated:,} duplicates, {verdict.late:,} late, "
            f"{verdict.strange:,} unexpected; the latest after {verdict.latest_s:.1f} s"
        )
        rows.append(("Arrived", f"{verdict.arrived:,}", note))
    for row in rows:
        shown.add_row(*row)
    return shown


def sentence(fleet: Fleet, verdict: Verdict | None) -> str:
    """What the run comes to, in a sentence."""
    missing = lost(fleet, verdict)
    if out := shut_out(fleet):
        reasons = ", ".join(fleet.tally.failures) or "the run was too short"
        return f"{out} of {len(fleet.devices)} devices never got in: {reasons}."
    behind = ""
    if fleet.behind_s > 1:
        behind = (
            f" The broker or this machine was too slow: readings were {fleet.behind_s:.0f} s "
            "behind at the end."
        )
    if missing:
        worst = ", ".join(f"{name} {count}" for name, count in verdict.worst) if verdict else ""
        how = "never stored" if verdict else "never acknowledged"
        return f"{missing:,} of {fleet.tally.taken:,} readings were {how}" + (
            f" ({worst}).{behind}" if worst else f".{behind}"
        )
    if verdict:
        return f"All {fleet.tally.taken:,} readings were stored.{behind}"
    if fleet.plan.qos:
        return f"All {fleet.tally.taken:,} readings were acknowledged.{behind}"
    return f"{fleet.tally.sent:,} readings were sent; at QoS 0 only --verify can miss one.{behind}"


def line(fleet: Fleet) -> str:
    """The sums so far on one line, for a log."""
    tally = fleet.tally
    return (
        f"{fleet.seconds:.0f} s: {tally.taken} taken, {tally.acknowledged} acknowledged, "
        f"{fleet.steady_rate:.0f} a second, {tally.online} connections"
    )


def _phase(fleet: Fleet) -> str:
    if fleet.ended:
        return "what is owed is being delivered" if fleet.draining else ""
    return f"{fleet.tally.online:,} connections"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g}" if seconds < 1 else f"{seconds * 1e3:.0f}"
