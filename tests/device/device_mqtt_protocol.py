"""What `umqtt.simple` does wrong on the wire, and ours right."""

import asyncio

from mote.mqtt import connecting, packets, protocol
from scripted_broker import PINGRESP, Broker, publish_id, session
from umqtt.simple import MQTTException


async def raises(kind, awaitable):
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError("%s was not raised" % kind.__name__)


async def test_a_packet_leaves_in_one_write():
    chunks = []

    async def script(broker):
        await broker.accept()
        chunks.append(await broker.chunk())
        await broker.send(b"\x40\x02" + publish_id(chunks[0][2:]))

    async with Broker(script) as broker:
        writes = []
        one = protocol.Session("dev", "127.0.0.1", broker.port)
        over = await connecting.connect(one.server, one.port)
        send = over.write
        over.write = lambda packet: (writes.append(packet), send(packet))[1]
        await one.connect(over)
        await one.publish("sensors/dev/t", "21.5", qos=1)
        assert len(writes) == 2, writes
        assert chunks[0] == writes[1] == b"\x32\x15\x00\x0dsensors/dev/t\x00\x0121.5", chunks
        one.close()


def test_lengths_are_counted_in_bytes():
    assert packets.string("Küche") == b"\x00\x06K\xc3\xbcche"
    packet = packets.publish("Küche", b"", False, 0, 0)
    assert packet[1] == len(packet) - 2


def test_a_length_that_does_not_fit_is_refused_and_not_cut():
    try:
        packets.string("x" * 65536)
    except ValueError:
        return
    raise AssertionError("accepted")


def test_the_remaining_length_is_in_groups_of_seven_bits():
    for size, head in ((0, b"\x00"), (127, b"\x7f"), (128, b"\x80\x01"), (16384, b"\x80\x80\x01")):
        assert packets.packet(0x30, bytes(size))[1 : 1 + len(head)] == head, size


async def test_packet_ids_go_from_65535_to_1_and_never_to_0():
    ids = []

    async def script(broker):
        await broker.accept()
        while True:
            _, body = await broker.packet()
            ids.append(publish_id(body))
            await broker.send(b"\x40\x02" + ids[-1])

    async with Broker(script) as broker:
        one = await session(broker)
        one.pid = 65534
        for _ in range(3):
            await one.publish("t", "1", qos=1)
        assert ids == [b"\xff\xff", b"\x00\x01", b"\x00\x02"], ids
        one.close()


async def test_an_id_that_waits_for_its_answer_is_not_given_again():
    ids = []

    async def script(broker):
        await broker.accept()
        for _ in range(2):
            ids.append(publish_id((await broker.packet())[1]))
        for pid in ids:
            await broker.send(b"\x40\x02" + pid)

    async with Broker(script) as broker:
        one = await session(broker)
        first = asyncio.create_task(one.publish("t", "1", qos=1))
        await asyncio.sleep_ms(0)
        one.pid = 0
        await one.publish("t", "2", qos=1)
        await first
        assert ids == [b"\x00\x01", b"\x00\x02"], ids
        one.close()


async def test_acknowledgements_come_in_any_order():
    async def script(broker):
        await broker.accept()
        ids = []
        for _ in range(3):
            ids.append(publish_id((await broker.packet())[1]))
        for pid in reversed(ids):
            await broker.send(b"\x40\x02" + pid)
        await broker.packet()

    async with Broker(script) as broker:
        one = await session(broker)
        done = []

        async def publish(name):
            await one.publish("t", name, qos=1)
            done.append(name)

        await asyncio.gather(publish("a"), publish("b"), publish("c"))
        assert done == ["c", "b", "a"], done
        one.close()


async def test_a_message_that_comes_before_the_acknowledgement_is_not_swallowed():
    received = []
    acknowledged = []

    async def script(broker):
        await broker.accept()
        pid = publish_id((await broker.packet())[1])
        await broker.send(b"\x32\x07\x00\x01c\x00\x09hi\x40\x02" + pid)
        acknowledged.append(await broker.packet())

    async with Broker(script) as broker:
        one = await session(broker)
        one.set_callback(lambda topic, message: received.append((topic, bytes(message))))
        await one.publish("t", "1", qos=1)
        await asyncio.wait_for(one.closed.wait(), 60)
        assert received == [(b"c", b"hi")], received
        assert acknowledged == [(0x40, b"\x00\x09")], acknowledged


async def test_no_acknowledgement_is_an_error_after_a_while_and_not_an_endless_wait():
    async def script(broker):
        await broker.accept()
        await broker.packet()
        await broker.packet()

    async with Broker(script) as broker:
        one = await session(broker)
        protocol.ANSWER_S = 0.1
        try:
            await raises(OSError, one.publish("t", "1", qos=1))
        finally:
            protocol.ANSWER_S = 10
        one.close()


async def test_a_broker_that_closes_at_connect_is_a_clear_error_and_leaves_no_socket():
    async def script(broker):
        await broker.packet()

    async with Broker(script) as broker:
        one = protocol.Session("dev", "127.0.0.1", broker.port)
        over = await connecting.connect(one.server, one.port)
        await raises(packets.ProtocolError, one.connect(over))
        try:
            over._sock.write(b"x")
        except OSError:
            return
        raise AssertionError("the socket is still open")


async def test_something_that_is_no_broker_is_told_apart():
    async def script(broker):
        await broker.chunk()
        await broker.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with Broker(script) as broker:
        await raises(packets.ProtocolError, session(broker))


async def test_a_refused_login_carries_its_return_code():
    async def script(broker):
        await broker.packet()
        await broker.send(b"\x20\x02\x00\x05")

    async with Broker(script) as broker:
        assert (await raises(MQTTException, session(broker))).args[0] == 5


async def test_a_lost_connection_ends_every_wait_at_once():
    async def script(broker):
        await broker.accept()
        await broker.packet()

    async with Broker(script) as broker:
        one = await session(broker)
        await asyncio.wait_for(raises(OSError, one.publish("t", "1", qos=1)), 8)
        assert one.closed.is_set() and one.reason
        await raises(OSError, one.publish("t", "2", qos=1))


async def test_a_broker_that_does_not_answer_pings_is_given_up():
    pings = []

    async def script(broker):
        await broker.accept()
        while True:
            pings.append((await broker.packet())[0])

    async with Broker(script) as broker:
        one = await session(broker, keepalive=1)
        await asyncio.wait_for(one.closed.wait(), 60)
        assert pings == [0xC0], pings


async def test_a_board_that_only_listens_pings_too():
    pings = []

    async def script(broker):
        await broker.accept()
        ping = asyncio.create_task(broker.packet())
        while not ping.done():
            await broker.send(b"\x30\x04\x00\x01cx")
            await asyncio.sleep_ms(50)
        pings.append((await ping)[0])

    async with Broker(script) as broker:
        one = await session(broker, keepalive=1)
        await asyncio.wait_for(one.closed.wait(), 60)
        assert pings == [0xC0], pings


async def test_a_message_that_is_too_long_for_the_heap_is_passed_over():
    received = []

    async def script(broker):
        await broker.accept()
        await broker.send(packets.publish("big", bytes(20_000), False, 0, 0))
        await broker.send(packets.publish("small", b"x", False, 0, 0))
        await broker.packet()

    async with Broker(script) as broker:
        one = protocol.Session("dev", "127.0.0.1", broker.port)
        arrived = asyncio.Event()
        one.set_callback(lambda topic, message: received.append(topic) or arrived.set())
        await one.connect(await connecting.connect(one.server, one.port))
        await asyncio.wait_for(arrived.wait(), 60)
        assert received == [b"small"], received
        one.close()


async def test_broken_packets_end_the_connection_and_not_the_program():
    for broken in (
        b"\x30\x02\x00\x09",
        b"\x34\x05\x00\x01t\x00\x01",
        b"\x40\x01\x00",
        b"\x30\xff\xff\xff\xff\x01",
        b"\x10\x00",
    ):

        async def script(broker, broken=broken):
            await broker.accept()
            await broker.send(broken)
            await broker.packet()

        async with Broker(script) as broker:
            one = await session(broker)
            await asyncio.wait_for(one.closed.wait(), 60)
            assert isinstance(one.reason, packets.ProtocolError), (broken, one.reason)


async def test_a_refused_subscription_is_an_error():
    async def script(broker):
        await broker.accept()
        _, body = await broker.packet()
        await broker.send(b"\x90\x03" + body[:2] + b"\x80")
        await broker.packet()

    async with Broker(script) as broker:
        one = await session(broker)
        await raises(MQTTException, one.subscribe("devices/dev/cmd", 1))
        one.close()


async def test_a_session_says_who_it_is_and_what_its_last_will_is():
    seen = []

    async def script(broker):
        seen.append(await broker.accept())

    async with Broker(script) as broker:
        one = protocol.Session("dev", "127.0.0.1", broker.port, "u", "p", keepalive=20)
        one.set_last_will("w", "offline", True, 1)
        await one.connect(await connecting.connect(one.server, one.port))
        await asyncio.wait_for(one.closed.wait(), 60)
    assert seen == [
        b"\x00\x04MQTT\x04\xee\x00\x14\x00\x03dev\x00\x01w\x00\x07offline\x00\x01u\x00\x01p"
    ], seen


async def test_a_message_that_is_too_long_is_acknowledged_and_shown_by_its_ends():
    shown, received = [], []

    async def script(broker):
        await broker.accept()
        for pid, size in enumerate((6145, 6144 + 5504, 20_000, 12_291)):
            body = b"H" * 300 + b"." * (size - 300 - 11 - 2 - 150) + b"T" * 150
            await broker.send(packets.publish("devices/d", body, False, 1, pid + 1))
            assert await broker.packet() == (0x40, bytes((0, pid + 1)))
        await broker.send(packets.publish("devices/d", b"next", False, 1, 9))
        assert await broker.packet() == (0x40, b"\x00\x09")

    async with Broker(script) as broker:
        one = protocol.Session("dev", "127.0.0.1", broker.port)
        one.on_too_long = lambda topic, excerpt, size: shown.append((topic, bytes(excerpt), size))
        one.set_callback(lambda topic, message: received.append(bytes(message)))
        await one.connect(await connecting.connect(one.server, one.port))
        await asyncio.wait_for(one.closed.wait(), 60)
    assert received == [b"next"], received
    assert [size for _, _, size in shown] == [6145, 11648, 20_000, 12_291]
    for topic, excerpt, _ in shown:
        assert topic == b"devices/d" and len(excerpt) == 512 - 11 - 2 + 128
        assert excerpt[:300] == b"H" * 300 and excerpt[-128:] == b"T" * 128, excerpt


async def test_less_is_received_where_memory_is_short():
    received = []

    async def script(broker):
        await broker.accept()
        for pid, size in ((1, 1536), (2, 1537)):
            body = b"H" * 300 + b"." * (size - 300 - 11 - 2)
            await broker.send(packets.publish("devices/d", body, False, 1, pid))
            assert await broker.packet() == (0x40, bytes((0, pid)))

    async with Broker(script) as broker:
        one = protocol.Session("dev", "127.0.0.1", broker.port)
        one.receive_max = 1536
        one.on_too_long = lambda topic, excerpt, size: received.append(size)
        one.set_callback(lambda topic, message: received.append(bytes(message[:1])))
        await one.connect(await connecting.connect(one.server, one.port))
        await asyncio.wait_for(one.closed.wait(), 60)
    assert received == [b"H", 1537], received


class Fragmented:
    """A heap in which no piece is larger than `largest` bytes."""

    def __init__(self, largest):
        self.asked = []
        self._largest = largest

    def __enter__(self):
        protocol.bytearray = self._allocate
        return self

    def __exit__(self, *exc):
        del protocol.bytearray

    def _allocate(self, size):
        self.asked.append(size)
        if size > self._largest:
            raise MemoryError
        return bytearray(size)


async def test_in_a_fragmented_heap_a_smaller_buffer_is_taken_and_the_board_stays_online():
    for largest, wanted in ((6144, 6144), (6143, 3072), (3072, 3072), (3071, 1536), (1536, 1536)):
        received = []

        async def script(broker, wanted=wanted):
            await broker.accept()
            first, body = await broker.packet()
            assert first == 0x82
            await broker.send(b"\x90\x03" + body[:2] + b"\x01")
            for pid, size in ((1, wanted), (2, wanted + 1)):
                body = b"H" * 300 + b"." * (size - 300 - 11 - 2)
                await broker.send(packets.publish("devices/d", body, False, 1, pid))
                assert await broker.packet() == (0x40, bytes((0, pid)))

        with Fragmented(largest) as heap:
            async with Broker(script) as broker:
                one = protocol.Session("dev", "127.0.0.1", broker.port)
                take = received.append
                one.on_too_long = lambda topic, excerpt, size, take=take: take(size)
                one.set_callback(lambda topic, message, take=take: take(len(message)))
                await one.connect(await connecting.connect(one.server, one.port))
                await one.subscribe("devices/d", 1)
                await asyncio.wait_for(one.closed.wait(), 60)
        assert heap.asked[0] == 6144 and one.receive_max == wanted, heap.asked
        # What fits arrives, what does not is answered: neither ends the connection.
        assert received == [wanted - 11 - 2, wanted + 1], (largest, received)
    # The next connection begins with the whole buffer.
    assert protocol.Session("dev", "127.0.0.1").receive_max == 6144


async def test_without_room_for_the_smallest_buffer_nothing_is_subscribed():
    async def script(broker):
        await broker.accept()
        assert await broker.packet() == (0xE0, b""), "no SUBSCRIBE before there is a buffer"

    with Fragmented(1535) as heap:
        async with Broker(script) as broker:
            one = protocol.Session("dev", "127.0.0.1", broker.port)
            await one.connect(await connecting.connect(one.server, one.port))
            await raises(MemoryError, one.subscribe("devices/d", 1))
            await one.disconnect()
    assert heap.asked == [6144, 3072, 1536]


async def test_a_message_that_just_fits_arrives_whole():
    received = []
    body = bytes(i % 251 for i in range(6144 - 11 - 2))

    async def script(broker):
        await broker.accept()
        for pid in (1, 2):
            await broker.send(packets.publish("devices/d", body, False, 1, pid))
            assert await broker.packet() == (0x40, bytes((0, pid)))

    async with Broker(script) as broker:
        one = protocol.Session("dev", "127.0.0.1", broker.port)
        one.set_callback(lambda topic, message: received.append(message == body))
        await one.connect(await connecting.connect(one.server, one.port))
        await asyncio.wait_for(one.closed.wait(), 60)
    assert received == [True, True], received


async def test_nothing_is_read_while_a_message_is_worked_on_and_it_costs_no_connection():
    order = []

    async def script(broker):
        await broker.accept()
        for pid in (1, 2):
            await broker.send(packets.publish("c", b"%d" % pid, False, 1, pid))
        while True:
            packet = await broker.packet()
            if packet[0] == 0xC0:
                await broker.send(PINGRESP)
            else:
                order.append(packet)

    async with Broker(script) as broker:
        # The keep-alive asks after half a second, and the wait is longer than its patience.
        one = protocol.Session("dev", "127.0.0.1", broker.port, keepalive=1)
        done = asyncio.Event()

        async def work(message):
            order.append(message)
            await asyncio.sleep_ms(1500)
            order.append(b"done " + message)
            if message == b"2":
                done.set()

        one.set_callback(lambda topic, message: work(bytes(message)))
        await one.connect(await connecting.connect(one.server, one.port))
        await asyncio.wait_for(done.wait(), 60)
        while len(order) < 6:
            await asyncio.sleep_ms(20)
        assert not one.closed.is_set(), one.reason
        one.close()
    acknowledged = [entry for entry in order if isinstance(entry, tuple) and entry[0] == 0x40]
    assert [e for e in order if isinstance(e, bytes)] == [b"1", b"done 1", b"2", b"done 2"], order
    assert acknowledged[0] == (0x40, b"\x00\x01"), order
    assert order.index(acknowledged[0]) > order.index(b"done 1")


async def test_a_long_payload_arrives_whole_without_a_copy_of_it():
    got = []
    text = "ü" * 3000

    async def script(broker):
        await broker.accept()
        for _ in range(2):
            first, body = await broker.packet()
            got.append((first, body))
            if first & 0x06:
                await broker.send(b"\x40\x02" + publish_id(body))

    async with Broker(script) as broker:
        one = await session(broker)
        await one.publish("t", text, qos=1)
        await one.publish("t", text.encode())
        await asyncio.wait_for(one.closed.wait(), 60)
    assert got[0] == (0x32, b"\x00\x01t\x00\x01" + text.encode())
    assert got[1] == (0x30, b"\x00\x01t" + text.encode())
