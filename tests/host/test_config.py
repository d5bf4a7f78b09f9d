"""The host accepts and rejects the same configurations as the board (`tests/device`)."""

import json
from pathlib import Path

import pytest
from motekit import config

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "config.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_shared_vectors_get_the_verdict_that_the_board_gives(vector) -> None:
    try:
        config.checked(vector["document"])
        accepted = True
    except config.ConfigError:
        accepted = False
    assert accepted == vector["accepted"]


def test_a_fault_names_the_field_and_what_is_expected() -> None:
    document = {"version": 1, "id": "a", "wifi": [{"ssid": "x", "password": "short"}], "mqtt": {}}
    with pytest.raises(config.ConfigError) as caught:
        config.checked(document)
    assert "wifi.0.password must be 8 to 63 characters" in str(caught.value)
    assert "mqtt" in str(caught.value)


def test_defaults_are_those_of_the_board() -> None:
    full = config.checked({"version": 1, "id": "a", "wifi": [{"ssid": "x"}], "mqtt": {"host": "h"}})
    assert (full["interval"], full["mqtt"]["port"], full["wifi"][0]["password"]) == (10, 1883, "")
