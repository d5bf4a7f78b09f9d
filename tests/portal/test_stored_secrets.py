"""What is stored on a board leaves it on the way that it was given for only.

The short form of `make soak ONLY=trust`. Judges are the rogue's side of it: what the radio and the
sockets sent (tests/soak/trust_judge.py), and what a real mosquitto and OpenSSL received.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "soak"))

import trust
import trust_judge
from trust_cases import Maker

SEED = 20


@pytest.mark.parametrize("kind", ["portal", "config"])
def test_no_form_and_no_patch_gets_a_secret_out(kind: str) -> None:
    outcome = trust.campaign(kind, 400, SEED)
    assert outcome.count >= 400 and outcome.sent >= 40
    told = [f"{kind} {case.number}: {'; '.join(wrong)}" for case, wrong in outcome.wrong]
    assert not told, f"python tests/soak/trust.py {kind} NUMBER {SEED} shows one of\n" + "\n".join(
        told
    )


def test_whole_boards_give_a_rogue_house_nothing() -> None:
    house = trust.whole_boards(posts=12, seed=SEED, at_once=3)
    assert house.posts >= 12 and not house.leaks


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"ssid": "Evil", "key": ""}, "goes to"),
        ({"key": ""}, "goes to"),
        ({"key": "attacker1"}, "goes to"),
        ({"host": "evil.example"}, "goes to"),
        ({"port": 1884}, "goes to"),
        ({"tls": None}, "goes to"),
        ({"tls": {"ca": ["00" * 32], "host": "h"}}, "goes to"),
    ],
)
def test_the_judge_knows_a_changed_way(change: dict[str, object], told: str) -> None:
    maker = Maker(SEED)
    case = next(
        case for case in map(maker.portal, range(1000))
        if case.stored and case.stored["mqtt"].get("insecure") and not case.stored["mqtt"].get("ca")
        and not any(secret.step is not None for secret in case.secrets)
        and case.stored["mqtt"]["password"].encode() not in b"".join(trust_judge.plain(case))
    )  # fmt: skip
    assert case.stored
    server, network = case.stored["mqtt"], case.stored["wifi"][0]
    sent = {
        "ssid": network["ssid"], "key": network["password"], "host": server["host"],
        "port": server["port"], "tls": {"ca": None, "host": "h"},
    } | change  # fmt: skip
    event = [
        0, "sent", sent["ssid"].encode().hex(), sent["key"].encode().hex(),
        sent["host"], sent["port"], sent["tls"], server["password"].encode().hex(),
    ]  # fmt: skip
    found = trust_judge.faults(case, [event], [])
    assert len(found) == bool(told) and all(told in one for one in found)
