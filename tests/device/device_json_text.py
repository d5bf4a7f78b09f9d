"""The strict JSON of `mote.json_text` and the rule about addresses, on MicroPython."""

import binascii
import json

from mote import config


def parse(data):
    # `config` gives back the memory of the parser when it has read.
    from mote import json_text

    return json_text.parse(data)


def vectors():
    with open("tests/vectors/config_text.json") as file:
        return json.load(file)


def document(vector):
    data = vector["text"].encode() if "text" in vector else binascii.a2b_base64(vector["base64"])
    return config.checked(parse(data))


def test_the_shared_texts_are_accepted_and_rejected():
    for vector in vectors():
        try:
            found = document(vector)
        except (ValueError, config.ConfigError):
            found = None
        assert (found is not None) == vector["accepted"], vector["name"]
        if not found:
            continue
        server = found["mqtt"]
        if "server" in vector:
            split = [server["host"], server["port"], server["tls"]]
            assert split == vector["server"], vector["name"]
        for key in ("ssid", "password"):
            if key in vector:
                assert found["wifi"][0][key] == vector[key], vector["name"]


def test_a_configuration_written_by_hand_is_read_as_the_host_reads_it():
    for vector in vectors():
        if vector["accepted"] and "ssid" in vector:
            with open(config.PATH, "w") as file:
                file.write(vector["text"])
            assert config.load()["wifi"][0]["ssid"] == vector["ssid"], vector["name"]
    # What it saves it takes, and nothing of it changes.
    settings = config.load()
    settings["wifi"][0]["ssid"] = '\U0001f600 \u00e9"'
    config.save(settings)
    assert config.load() == settings
    config.erase()


def test_a_damaged_file_is_told_with_its_line():
    with open(config.PATH, "w") as file:
        file.write('{"version": 1,\n "id": "a", "id": "b"}')
    try:
        config.load()
    except config.ConfigError as error:
        assert error.faults == [
            ("config.json", "is damaged: not JSON: line 2: 'id' is there twice")
        ]
    else:
        raise AssertionError("accepted")
    finally:
        config.erase()


def test_every_value_of_json_comes_back():
    values = ({"a": [1, -2.5, "x", None, True, False, {}, []]}, "\u20ac\U0001f600\x7f", 0, [[[]]])
    for value in values:
        assert parse(json.dumps(value).encode()) == value, value
