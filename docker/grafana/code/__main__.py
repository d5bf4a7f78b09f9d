"""Writes the dashboards and alerts anew: `python docker/grafana/code` after a change here.

Needs grafana-foundation-sdk, which `make` installs with the tools for development.
"""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

warnings.filterwarnings("ignore", message="Prefer using dashboardv2")

from alerts import rules  # noqa: E402
from dashboards import device, fleet, metric, pipeline  # noqa: E402
from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: E402
from live import live  # noqa: E402

GRAFANA = Path(__file__).parents[1]


def files() -> Iterator[tuple[Path, str]]:
    """Each generated file and its text."""
    for make in (fleet, device, metric, pipeline):
        yield GRAFANA / "dashboards" / f"{make.__name__}.json", _text(make().build())
    yield GRAFANA / "full" / "live.json", _text(live().build())
    yield GRAFANA / "provisioning" / "alerting" / "rules.json", _text(rules())


def _text(what: object) -> str:
    return json.dumps(what, cls=JSONEncoder, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, text in files():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)
