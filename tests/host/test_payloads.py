"""What devices send is checked once; json, float and int of CPython are what later reads it."""

import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from motekit import payloads
from motekit.payloads import PayloadError

# 2026-12-01, 06:36:40 UTC.
NOW_NS = 1_796_107_000_123_456_789
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"board":"\\ud800"}', "surrogate"),
        (b'{"\\udfff":1}', "surrogate"),
        (b'["\\udc00\\ud800"]', "surrogate"),
        (b"[" * 100_000, "bytes|nested"),
        (b"[" * 60_000, "nested"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, "nested more than 16"),
        (b"[NaN]", "NaN"),
        (b'{"a":Infinity}', "Infinity"),
        (b"-Infinity", "Infinity"),
        (b"1e999", "finite"),
        (b"-1e400", "finite"),
        (b"9223372036854775808", "64 bits"),
        (b"-9223372036854775809", "64 bits"),
        (b"9" * 5_000, "64 bits"),
        (b'{"a":1,"a":2}', "key 'a' twice"),
        (b'[{"b":{"\\u0061":1,"a":2}}]', "key 'a' twice"),
        (b"\xff\xfe{}", "UTF-8"),
        (b'"\xed\xa0\x80"', "UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"", "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":1} x', "not JSON"),
        (b'"' + b"x" * payloads.JSON_MAX + b'"', "at most 65536"),
    ],
)
def test_json_that_others_could_not_read_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason):
        payloads.parse_json(payload)


@given(JSON_VALUES)
def test_any_other_json_is_read_as_cpython_reads_it(value: object) -> None:
    text = json.dumps(value)
    assert payloads.parse_json(text.encode()) == json.loads(text)


def test_escaped_pairs_are_one_character_and_brackets_in_text_are_no_nesting() -> None:
    assert payloads.parse_json(b'"\\ud83c\\udf31"') == "\U0001f331"
    text = '"' + "[" * 1_000 + '\\"{'
    assert payloads.parse_json(f'{{"a":{text}"}}'.encode()) == {"a": json.loads(text + '"')}
    deep = b"[" * 16 + b"]" * 16
    assert payloads.parse_json(deep) == json.loads(deep)
    with pytest.raises(PayloadError, match="not an object"):
        payloads.parse_json_object(b"[1]")


@pytest.mark.parametrize(
    "payload",
    [b"nan", b"inf", b"-inf", b"21,5", b"{}", b"", b"0x10", b"1_000", b"true", b"1e999", b"1 2",
     "１".encode(), b"1" * 65, b"\xff", b".", b"e5", b"+-1"],
)  # fmt: skip
def test_a_value_is_a_finite_decimal_number(payload: bytes) -> None:
    with pytest.raises(PayloadError):
        payloads.parse_value(payload)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_double_is_a_value(value: float) -> None:
    read = payloads.parse_value(repr(value).encode())
    assert struct.pack("d", read) == struct.pack("d", value)


def line(time_ns: object, device: str = "ov1") -> bytes:
    return f"sensors,device={device},metric=temperature value=1.5 {time_ns}".encode()


@pytest.mark.parametrize(
    ("time_ns", "reason"),
    [
        (99999999999999999999, "64 bits"),
        (2**63, "64 bits"),
        (2**63 - 1, "in the future"),
        (-1, "negative"),
        (-(2**80), "negative"),
        (0, "before 2020"),
        (payloads.EARLIEST_NS - 1, "before 2020"),
        (NOW_NS + 3_601 * 10**9, "in the future"),
        (NOW_NS // 1_000, "microseconds"),
        (NOW_NS // 1_000_000, "milliseconds"),
        (NOW_NS // 1_000_000_000, "seconds"),
        ("1e18", "not an integer"),
        ("", "not an integer"),
        ("1_0", "not an integer"),
        (f"{NOW_NS} ", "not a line"),
        (math.nan, "not an integer"),
    ],
)
def test_a_time_that_cannot_be_is_refused_with_the_reason(time_ns: object, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason):
        payloads.parse_backfill_line("ov1", line(time_ns), NOW_NS)


@pytest.mark.parametrize("time_ns", [payloads.EARLIEST_NS, NOW_NS, NOW_NS + payloads.FUTURE_MAX_NS])
def test_times_from_2020_to_an_hour_from_now_are_taken(time_ns: int) -> None:
    read = payloads.parse_backfill_line("ov1", line(time_ns), NOW_NS)
    assert read == ("temperature", time_ns, 1.5)


@pytest.mark.parametrize(
    "text",
    [
        b"sensors,device=ov1,metric=temperature value=1.5",
        b"sensors,device=ov1,metric=temperature value=nan 1",
        b"sensors,device=ov1,metric=Temp value=1 1",
        b"sensors,device=ov1,metric=t value=1\t 1",
        b"sensors,device=ov1,metric=t value=1=2 1",
        b"other,device=ov1,metric=t value=1 1",
        b"sensors,metric=t,device=ov1 value=1 1",
        b"sensors,device=ov1,metric=t,x=y value=1 1",
        b"\xff" * 10,
        b"",
        b"x" * 257,
    ],
)
def test_what_is_no_line_of_backfill_is_refused(text: bytes) -> None:
    with pytest.raises(PayloadError):
        payloads.parse_backfill_line("ov1", text, NOW_NS)
    with pytest.raises(PayloadError, match="another device"):
        payloads.parse_backfill_line("ov2", line(NOW_NS), NOW_NS)
