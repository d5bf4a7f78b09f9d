"""Every phone finds the page by itself: what each asks after joining, and what it makes of it.

The table is `tests/vectors/probes.json`, explained in `firmware/PORTAL.md`.
"""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from board_in_setup import OWN, Answer, ask, board_in_setup

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
PROBES = json.loads((ROOT / "tests" / "vectors" / "probes.json").read_text(encoding="utf-8"))
# Android (NetworkMonitor.java): a body of at most four bytes is no portal but a broken network.
ANDROID_MINIMUM = 4


def is_online(probe: dict, answer: Answer) -> bool:
    """What the system concludes from the answer: whether it thinks that it has the internet."""
    online = probe["online"]
    return answer.status == online["status"] and online.get("contains", "") in answer.body.decode()


async def test_each_system_sees_a_portal_and_is_led_to_the_page() -> None:
    async with board_in_setup() as board:
        for probe in PROBES:
            url = urlsplit(probe["url"])
            answer = await ask(
                board, url.path or "/", host=url.netloc, method=probe["method"],
                version=probe.get("version", "1.1"), **probe["headers"],
            )  # fmt: skip
            assert not is_online(probe, answer), probe["system"]
            assert (answer.status, answer.headers["location"]) == (302, f"http://{OWN}/")
            assert answer.headers["cache-control"] == "no-store", probe["system"]
            if probe["method"] == "GET":
                assert len(answer.body) > ANDROID_MINIMUM, probe["system"]
            page = await ask(board, "/", **probe["headers"])
            assert page.status == 200 and b'name="ssid"' in page.body, probe["system"]
            for text in (answer.body, page.body):
                assert b"Success" not in text, "iOS takes this word for the internet"


async def test_a_proxy_that_is_looked_for_is_not_found() -> None:
    async with board_in_setup() as board:
        assert (await ask(board, "/wpad.dat", host="wpad")).status == 404


async def test_ports_of_https_and_dns_over_tls_are_closed_and_fail_at_once() -> None:
    async with board_in_setup() as board:
        bound = {number for number, _ in board.network._ports}  # type: ignore[attr-defined]
        assert bound == {53, 80}


def test_the_documented_table_is_the_tested_one() -> None:
    document = (ROOT / "firmware" / "PORTAL.md").read_text(encoding="utf-8")
    for probe in PROBES[:-1]:
        assert f"| {probe['system']} | `{probe['url'].removeprefix('http://')}` |" in document
