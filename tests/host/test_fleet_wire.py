"""The fleet's MQTT against the standard: its packets are read by another implementation."""

import asyncio
import itertools

import pytest
from amqtt.adapters import BufferReader
from amqtt.mqtt.connect import ConnectPacket
from amqtt.mqtt.publish import PublishPacket
from hypothesis import given
from hypothesis import strategies as st
from motekit.fleet import wire


def published(packet: bytes) -> PublishPacket:
    return asyncio.run(PublishPacket.from_stream(BufferReader(packet)))


@given(
    topic=st.text(st.characters(codec="utf-8", exclude_characters="\0+#"), min_size=1),
    payload=st.binary(max_size=20_000),
    packet_id=st.integers(1, wire.LAST_ID),
)
def test_a_publish_reads_as_it_was_meant(topic: str, payload: bytes, packet_id: int) -> None:
    flags = wire.publish_flags(1, retain=True) | wire.DUP
    read = published(wire.publish(flags, wire.text(topic), payload, packet_id))
    assert (read.topic_name, bytes(read.data), read.packet_id) == (topic, payload, packet_id)
    assert (read.qos, read.retain_flag, read.dup_flag) == (1, True, True)


def test_a_publish_at_qos_0_has_no_packet_id() -> None:
    read = published(wire.publish(wire.publish_flags(0), wire.text("sensors/a/b"), b"21.5"))
    assert (read.qos, read.packet_id, bytes(read.data)) == (0, None, b"21.5")


def test_a_login_has_its_will_and_its_keep_alive() -> None:
    packet = wire.connect("dev", 20, "dev", "word", ("devices/dev/status", "offline"))
    read = asyncio.run(ConnectPacket.from_stream(BufferReader(packet)))
    assert (read.client_id, read.keep_alive, read.clean_session_flag) == ("dev", 20, True)
    assert (read.username, read.password) == ("dev", "word")
    assert (read.will_topic, bytes(read.will_message)) == ("devices/dev/status", b"offline")
    assert (read.will_qos, read.will_retain_flag) == (1, True)


PUBACKS = [b"\x40\x02" + number.to_bytes(2, "big") for number in (1, 256, 65535)]
CONNACK, PINGRESP = b"\x20\x02\x00\x05", b"\xd0\x00"
# A packet whose length takes two bytes; a broker sends none, but it may.
LONG = b"\x30\x80\x01" + bytes(128)


@given(
    st.lists(st.sampled_from([*PUBACKS, CONNACK, PINGRESP, LONG])),
    st.lists(st.integers(0, 300), max_size=6),
)
def test_what_comes_is_read_the_same_however_it_is_cut(packets: list[bytes], cuts: list[int]):
    stream = b"".join(packets)
    acknowledged, others, rest = [], [], b""
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for begin, end in itertools.pairwise(edges):
        numbers, more, rest = wire.read(rest + stream[begin:end])
        acknowledged += numbers
        others += more
    bodies = {CONNACK: (0x20, b"\x00\x05"), PINGRESP: (0xD0, b""), LONG: (0x30, bytes(128))}
    assert acknowledged == [int.from_bytes(p[2:], "big") for p in packets if p in PUBACKS]
    assert others == [bodies[packet] for packet in packets if packet in bodies]
    assert rest == b""


def test_a_length_that_does_not_end_is_an_error() -> None:
    with pytest.raises(wire.ProtocolError):
        wire.read(b"\x30\xff\xff\xff\xff\xff")
