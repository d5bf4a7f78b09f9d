"""The broker at its socket: hostile clients, back-pressure, a store that fails."""

import asyncio
import json
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import wire_format as wire
from motekit.broker.limits import Limits
from motekit.broker.server import is_loopback, within_descriptors
from running_broker import V5, RunningBroker, until

HERE = Path(__file__).parent


def test_what_was_sent_in_one_piece_is_answered_in_order_and_stored() -> None:
    with RunningBroker() as broker:
        client = broker.connection()
        messages = b"".join(wire.publish("t", b"%d" % n, 1, n) for n in range(1, 1001))
        client.send(wire.connect("a") + messages)
        assert client.take(wire.CONNACK).reason == 0
        got = [client.take(wire.PUBACK).packet_id for _ in range(1000)]
        assert got == list(range(1, 1001))
        client.send(wire.DISCONNECT_PACKET)
        assert client.is_closed_by_peer()
        assert broker.storage.committed == [b"%d" % n for n in range(1, 1001)]


def test_a_connection_that_never_logs_in_is_closed() -> None:
    with RunningBroker(Limits(connect_timeout_s=0.5)) as broker:
        mute, slow, good = broker.connection(), broker.connection(), broker.connect("a")
        slow.send(wire.connect("b")[:-1])
        assert mute.is_closed_by_peer() and slow.is_closed_by_peer()
        good.send(wire.PINGREQ_PACKET)
        good.take(wire.PINGRESP)


def test_a_thousand_silent_connections_keep_nobody_out_and_do_not_fill_the_log(caplog) -> None:
    with RunningBroker(Limits(pending_connections=50)) as broker:
        before = broker.connect("before")
        silent = [broker.connection() for _ in range(300)]
        after = broker.connect("after")
        for client in (before, after):
            client.send(wire.PINGREQ_PACKET)
            client.take(wire.PINGRESP)
        until(lambda: len(broker.server.broker.connections) <= 52)
        assert sum(one.is_closed_by_peer(0.001) for one in silent) >= 240
        assert len(caplog.text) < 2_000
        for one in silent:
            one.close()


def test_descriptors_are_counted_before_they_run_out() -> None:
    """In a process of its own, whose limit is 400 descriptors."""
    limit = ["bash", "-c", 'ulimit -n 400; exec "$@"', "-"]
    with subprocess.Popen(
        [*limit, sys.executable, str(HERE / "broker_process.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout and process.stderr
        port = json.loads(process.stdout.readline())["port"]
        watcher = socket.create_connection(("127.0.0.1", port))
        watcher.sendall(wire.connect("w"))
        assert watcher.recv(4) == b"\x20\x02\x00\x00"
        crowd = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(600)]
        watcher.sendall(wire.PINGREQ_PACKET)
        assert watcher.recv(2) == b"\xd0\x00"
        for one in crowd:
            one.close()
        late = socket.create_connection(("127.0.0.1", port))
        late.settimeout(60)
        late.sendall(wire.connect("late"))
        assert late.recv(4) == b"\x20\x02\x00\x00"
        process.terminate()
        said = process.stderr.read()
    assert "Traceback" not in said and len(said) < 2_000, said


def test_as_many_connections_as_there_are_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        limits = within_descriptors(Limits(connections=700))
        assert limits.connections == 700
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 1024
        wanted = hard if hard != resource.RLIM_INFINITY else 10**7
        assert (
            within_descriptors(Limits(connections=wanted)).connections
            == max(wanted - 256, wanted // 2)
            or hard == resource.RLIM_INFINITY
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.0.2.1", False),
        ("192.0.2.1", False),
        ("fe80::1%eth0", False),
        ("", False),
    ],
)
def test_which_clients_are_on_this_computer(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


def test_nothing_is_acknowledged_while_the_store_fails_and_all_is_afterwards() -> None:
    with RunningBroker(Limits(uncommitted_bytes=64 * 1024)) as broker:
        publisher, other = broker.connect("p"), broker.connect("o")
        subscriber = broker.connect("s")
        subscriber.send(wire.subscribe(1, ("t", 0)))
        subscriber.take(wire.SUBACK)
        broker.storage.is_failing = True
        total = 2_000
        data = b"".join(wire.publish("t", b"%d" % n, 1, n) for n in range(1, total + 1))
        flood = wire.publish("flood", bytes(1000), 0) * 8_000

        def send() -> None:
            publisher.send(data + flood)

        sending = threading.Thread(target=send)
        sending.start()
        until(lambda: broker.storage.attempts >= 2)
        # The others are served, and what is held in memory stays bounded: reading has stopped.
        other.send(wire.PINGREQ_PACKET)
        other.take(wire.PINGRESP)
        assert sending.is_alive()
        held = broker.server.broker.state.uncommitted_bytes
        # One piece is read at most beyond the limit, with what Python needs for each message.
        assert 0 < held < 12_000_000
        publisher.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            publisher.socket.recv(1)
        publisher.socket.setblocking(True)
        broker.storage.is_failing = False
        assert [publisher.take(wire.PUBACK).packet_id for _ in range(total)] == list(
            range(1, total + 1)
        )
        sending.join()
        until(lambda: len(broker.storage.committed) == total + 8_000)
        got = [subscriber.take(wire.PUBLISH).payload for _ in range(total)]
        assert got == broker.storage.committed[:total]
        assert broker.server.broker.state.uncommitted_bytes == 0


def test_an_error_of_the_application_is_logged_and_tried_again(caplog) -> None:
    with RunningBroker() as broker:
        commit = broker.storage.commit
        calls = []

        async def fails_once(batch) -> None:
            calls.append(batch)
            if len(calls) == 1:
                raise ZeroDivisionError("unexpected")
            await commit(batch)

        broker.storage.commit = fails_once
        client = broker.connect("a")
        client.send(wire.publish("t", b"1", 1, 1))
        assert client.take(wire.PUBACK).packet_id == 1
        assert calls[0] is calls[1]
        assert "ZeroDivisionError" in caplog.text


def test_a_client_that_does_not_read_neither_grows_nor_stays() -> None:
    limits = Limits(write_timeout_s=1.0, output_bytes=1_000_000)
    with RunningBroker(limits) as broker:
        slow, publisher = broker.connection(), broker.connect("p")
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.send(wire.connect("slow") + wire.subscribe(1, ("t", 0)))
        slow.take(wire.CONNACK), slow.take(wire.SUBACK)
        payload = bytes(100_000)
        for number in range(1, 200):
            publisher.send(wire.publish("t", payload, 1, number))
            publisher.take(wire.PUBACK)
        assert broker.statistics["output_dropped"] > 100
        until(lambda: broker.statistics["write_timeouts"] == 1)
        until(lambda: "slow" not in broker.server.broker.state.sessions)


def test_who_is_disconnected_reads_why_although_it_goes_on_sending() -> None:
    with RunningBroker(Limits(packet_bytes=10_000)) as broker:
        client = broker.connect("a", V5)
        client.send(wire.publish("t", bytes(20_000), version=V5) * 20)
        assert client.take(wire.DISCONNECT).reason == 0x95
        assert client.is_closed_by_peer()


def test_clients_that_reset_their_connection_delay_nobody(caplog) -> None:
    """Found by fuzzing: one error in sending kept the others from being sent to."""
    with RunningBroker() as broker:
        good = broker.connect("good")
        for number in range(1, 101):
            bad = broker.connection()
            bad.send(wire.connect("bad") + b"\xff\xff")
            bad.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            bad.close()
            good.send(wire.publish("t", b"x", 1, number))
            assert good.take(wire.PUBACK).packet_id == number
    assert not [one for one in caplog.records if one.exc_info]


def test_a_stop_disconnects_everybody_and_stores_their_wills() -> None:
    with RunningBroker() as broker:
        client = broker.connect("a", will=("gone", b"a", 1, True))
        modern = broker.connect("b", V5, will=("gone", b"b", 1, True))
    assert sorted(broker.storage.committed) == [b"a", b"b"]
    assert client.is_closed_by_peer()
    assert modern.take(wire.DISCONNECT).reason == 0x8B


def test_health_checks_that_only_connect_leave_no_line_in_the_log(caplog) -> None:
    with RunningBroker() as broker:
        for _ in range(20):
            broker.connection().close()
        broker.connect("a").close()
        until(lambda: not broker.server.broker.connections)
    assert caplog.text == ""


def test_the_broker_of_a_test_needs_no_thread() -> None:
    """One event loop for broker and client, as in the hub; 2,000 exchanges."""

    async def run() -> float:
        from motekit.broker.memory import MemoryBackend
        from motekit.broker.server import Server

        listener = socket.create_server(("127.0.0.1", 0))
        server = Server(MemoryBackend(), [listener])
        await server.start()
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(wire.connect("a"))
        assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
        began = time.monotonic()
        for number in range(1, 2001):
            writer.write(wire.publish("t", b"x", 1, number))
            assert await reader.readexactly(4) == b"\x40\x02" + number.to_bytes(2, "big")
        took = time.monotonic() - began
        writer.close()
        await server.stop()
        return took

    assert asyncio.run(run()) < 60
