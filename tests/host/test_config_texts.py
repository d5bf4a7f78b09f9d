"""Configurations as people write them: the host takes and refuses what the board does.

The judges of the parser are CPython's json and, for encodings, CPython's codecs.
"""

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mote import json_text, server_address, utf8
from motekit import config, documents, places

VECTORS = json.loads((places.CHECKOUT / "tests" / "vectors" / "config_text.json").read_text())


def content(vector: dict[str, Any]) -> bytes:
    if "text" in vector:
        return str(vector["text"]).encode()
    return base64.b64decode(vector["base64"])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_shared_texts_get_the_verdict_that_the_board_gives(vector) -> None:
    try:
        found = config.checked(json_text.parse(content(vector)))
    except (json_text.JsonError, config.ConfigError):
        found = None
    assert (found is not None) == vector["accepted"]
    if found and "server" in vector:
        assert [found["mqtt"][key] for key in ("host", "port", "tls")] == vector["server"]
    for key in ("ssid", "password"):
        if found and key in vector:
            assert found["wifi"][0][key] == vector[key]


def test_the_file_is_what_its_maker_makes() -> None:
    import sys

    sys.path.insert(0, str(places.CHECKOUT / "tests" / "vectors"))
    import make_config_texts

    assert make_config_texts.vectors() == VECTORS


def reference(data: bytes) -> Any:
    """What CPython reads: strict about names, numbers and surrogates. Raises ValueError."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError
        return found

    def refuse(_: str) -> None:
        raise ValueError

    def number(text: str) -> float:
        if not math.isfinite(float(text)) or abs(float(text)) > 3.4e38:
            raise ValueError
        return float(text)

    found = json.loads(
        data.decode("utf-8-sig"), object_pairs_hook=once, parse_constant=refuse, parse_float=number
    )
    json.dumps(found, ensure_ascii=False).encode()
    return found


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False, width=32),
    lambda one: st.lists(one, max_size=4) | st.dictionaries(st.text(), one, max_size=4),
    max_leaves=12,
)  # fmt: skip


def parsed(data: bytes) -> Any:
    """What both ways of parsing make of `data`, the same value or the same error."""
    try:
        value = json_text.parse(data)
    except json_text.JsonError as error:
        with pytest.raises(json_text.JsonError) as refused:
            json_text.parse_in_place(memoryview(bytearray(data)))
        assert str(refused.value) == str(error)
        raise
    assert json_text.parse_in_place(memoryview(bytearray(data))) == value
    return value


@settings(deadline=None)
@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_every_value_comes_back(value: Any, escaped: bool, indent: int | None) -> None:
    written = json.dumps(value, ensure_ascii=escaped, indent=indent).encode()
    assert parsed(written) == value


PIECES = [
    *(b'{ } [ ] : , "a" "b" "" 1 -0 0 1.5 1e5 01 1. .5 - + e NaN Infinity true false null'.split()),
    *(rb'"\ud83d\ude00" "\ud83d" "\u00e9" "\n" "\x" "'.split()), b" ", b"\n", b"\t", b"\x00",
    "é😀".encode(), b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xef\xbb\xbf", b"\x0b", b"/", b"tru",
]  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=9).map(b"".join) | st.binary(max_size=12))
@example(b'{"a":1,"a":2}')
@example(b"\xef\xbb\xbf[]")
def test_every_text_gets_the_verdict_of_cpython(data: bytes) -> None:
    try:
        expected: Any = reference(data)
    except ValueError:
        with pytest.raises(json_text.JsonError):
            parsed(data)
    else:
        assert parsed(data) == expected


@settings(deadline=None)
@given(st.binary(max_size=6) | st.text(st.characters(codec=None), max_size=3).map(
    lambda text: text.encode("utf-8", "surrogatepass")))  # fmt: skip
def test_utf8_is_what_cpython_says_it_is(data: bytes) -> None:
    try:
        data.decode()
        valid = True
    except UnicodeDecodeError:
        valid = False
    assert utf8.is_valid(data) is valid


@settings(deadline=None)
@given(st.text(max_size=40))
def test_an_address_is_split_once(text: str) -> None:
    try:
        host, port, _ = server_address.split(text)
    except ValueError as error:
        assert str(error).startswith("must ")
        return
    assert host and (port is None or 0 < port < 65536)
    # What came out is not split again.
    assert server_address.split(host)[0] == host


@pytest.mark.parametrize("address", ["u:secret@h", "mqtt://u:secret@h:1883", "mqtts://secret@h"])
def test_a_password_in_an_address_is_not_repeated(address: str) -> None:
    with pytest.raises(ValueError, match="user and password have own fields") as caught:
        server_address.split(address)
    assert "secret" not in str(caught.value)


def test_what_goes_to_a_board_has_no_escaped_pairs_and_no_nan() -> None:
    smile = {"ssid": "\N{GRINNING FACE}"}
    assert config.for_board(smile) == '{"ssid":"\N{GRINNING FACE}"}'
    with pytest.raises(ValueError, match="Out of range"):
        config.for_board({"interval": float("nan")})
    for number in (float("nan"), float("inf")):
        with pytest.raises(config.ConfigError):
            config.checked({"version": 1, "id": "a", "wifi": [{"ssid": "x"}],
                            "mqtt": {"host": "h"}, "interval": number})  # fmt: skip


def test_documents_say_file_line_and_remedy(tmp_path) -> None:
    file = tmp_path / "a.json"
    for data, told in (
        (b'{"a": 1,\n"a": 2}', ":2: is not JSON: 'a' is there twice"),
        ('{"a":1}'.encode("utf-16"), ":1: is not JSON: is UTF-16, not UTF-8: save it as UTF-8"),
        (b"[" * 100_000, ": is larger than 12288 bytes"),
        (b"[" * 10_000, "is nested more than 16 deep"),
    ):
        file.write_bytes(data)
        with pytest.raises(documents.DocumentError) as caught:
            documents.read_json(file)
        assert told in str(caught.value) and str(file) in str(caught.value)
    file.write_bytes(b"\xef\xbb\xbf[wokwi]\nversion = 1\n")
    assert documents.read_toml(file) == {"wokwi": {"version": 1}}
    file.write_bytes(b"a = " + b"[" * 100_000)
    with pytest.raises(documents.DocumentError, match=r"a\.json:1: is nested too deeply"):
        documents.read_toml(file)


@pytest.mark.anyio
async def test_commands_reach_a_board_as_utf8() -> None:
    import paho.mqtt.client as mqtt
    from motekit.orders import Conversation
    from paho.mqtt.enums import CallbackAPIVersion

    talk = Conversation(mqtt.Client(CallbackAPIVersion.VERSION2))
    patch = {"wifi": [{"ssid": "\N{GRINNING FACE} Café"}]}
    async with talk.asked("plant1", cmd="config", config=patch) as asked:
        assert "\N{GRINNING FACE} Café" in asked.payload
        assert json.loads(asked.payload)["config"] == patch


def test_a_password_of_the_setup_network_reaches_a_board_as_utf8() -> None:
    from motekit.firmware import factory

    content = factory.content("\N{GRINNING FACE}" * 3)
    assert "\N{GRINNING FACE}".encode() in content
    assert factory.password(content) == "\N{GRINNING FACE}" * 3
