"""The table of STATES.md, and which of its rows a test walks."""

from pathlib import Path

STATES = (Path(__file__).parents[2] / "firmware" / "STATES.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in STATES.split("| way |")[1].split("\n## ")[0].splitlines()[2:]
    if line.startswith("|")
]
UNITS = {"s": 1_000, "min": 60_000}


def way(name: str):
    """Marks the test that walks the row `name`."""
    assert any(row[0] == name for row in ROWS), f"STATES.md has no way {name}"
    WALKED.add(name)
    return lambda test: test


WALKED: set[str] = set()
