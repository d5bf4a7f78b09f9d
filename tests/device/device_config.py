import json

from mote import config


def document(**changes):
    """The smallest usable document, with changes."""
    found = {"version": 1, "id": "a", "wifi": [{"ssid": "x"}], "mqtt": {"host": "h"}}
    found.update(changes)
    return found


def vectors():
    with open("tests/vectors/config.json") as f:
        return json.load(f)


def test_the_shared_vectors_are_accepted_and_rejected():
    for vector in vectors():
        try:
            config.checked(vector["document"])
            accepted = True
        except config.ConfigError:
            accepted = False
        assert accepted == vector["accepted"], vector["name"]


def test_defaults_are_filled_in():
    document = config.checked(
        {"version": 1, "id": "a", "wifi": [{"ssid": "x"}], "mqtt": {"host": "h"}}
    )
    assert document["interval"] == 10 and document["sensors"] == "auto"
    assert document["mqtt"]["port"] == 1883 and document["wifi"][0]["password"] == ""


def test_a_fault_names_the_field_and_what_is_expected():
    try:
        config.checked(
            {
                "version": 1,
                "id": "a b",
                "wifi": [{"ssid": "x", "password": "short"}],
                "mqtt": {"host": "h"},
            }
        )
    except config.ConfigError as error:
        faults = dict(error.faults)
        assert "not allowed" in faults["id"], faults
        assert "8 to 63" in faults["wifi.0.password"], faults
        return
    raise AssertionError("accepted")


def test_a_sensor_of_a_known_type_is_told_what_it_lacks():
    try:
        config.checked(document(sensors=[{"type": "dht22"}]))
    except config.ConfigError as error:
        assert error.faults == [("sensors.0.pin", "is missing")], error.faults
        return
    raise AssertionError("accepted")
