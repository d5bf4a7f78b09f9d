"""What must hold for every packet, request and form, tried on inputs that Hypothesis makes up."""

import sys
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "soak"))
import properties
import seeds

label = st.binary(min_size=1, max_size=70).map(lambda data: bytes([len(data)]) + data)
name = st.lists(label, max_size=6).map(b"".join) | st.lists(
    st.just(b"\x01x"), min_size=120, max_size=160
).map(b"".join)
header = st.tuples(st.binary(max_size=8), st.binary(max_size=8)).map(b"\r\nX%s: %s".__mod__)
escape = st.sampled_from([b"%", b"%4", b"%41", b"%+1", b"%-1", b"%zz", b"%C3%A9", b"+", b"&", b"="])
form = st.lists(escape | st.binary(max_size=4), max_size=20).map(b"".join)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=700) | st.sampled_from(seeds.dns()))
def test_any_packet(packet: bytes) -> None:
    properties.check_dns(packet)


@settings(max_examples=500, deadline=None)
@given(name, st.binary(min_size=2, max_size=2), st.sampled_from(range(70)), st.binary(max_size=20))
@example(b"\x01x" * 128, b"\1\0", 1, b"")
def test_any_query(name: bytes, flags: bytes, kind: int, more: bytes) -> None:
    head = b"\x12\x34" + flags + b"\0\1\0\0\0\0\0\0"
    properties.check_dns(head + name + b"\0" + bytes([0, kind, 0, 1]) + more)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=4096) | st.sampled_from(seeds.http()))
def test_any_bytes(data: bytes) -> None:
    properties.check_http(data)


@settings(max_examples=500, deadline=None)
@given(
    st.binary(min_size=1, max_size=1),
    st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b""]),
    st.binary(max_size=30),
    st.lists(header, max_size=4).map(b"".join),
    st.integers(0, 2100),
    form,
    st.integers(-2, 2),
)
def test_any_request(
    size: bytes, method: bytes, target: bytes, headers: bytes, filling: int, body: bytes, more: int
) -> None:
    headers += b"\r\nFilling: " + b"x" * filling
    headers += b"\r\nContent-Length: %d" % (len(body) + more)
    head = method + b" /" + target + b" HTTP/1.1" + headers
    properties.check_http(size + head + b"\r\n\r\n" + body)


@settings(max_examples=500, deadline=None)
@given(form)
@example(b"a=%+1&b=%-1&c=% 1")
def test_any_form(body: bytes) -> None:
    properties.check_form(body)
