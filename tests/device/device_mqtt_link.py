"""The way to a server: each thing that can stand in it has a reason of its own."""

import sys

from mote import failure
from mote.failure import Failure
from mote.mqtt import connecting, known_addresses, tls
from scripted_broker import Broker


async def reason(*server):
    try:
        await connecting.connect(*server)
    except Failure as found:
        return found.reason
    raise AssertionError("connected")


async def nothing(broker):
    await broker.chunk()


async def test_a_port_that_nobody_listens_on_is_refused():
    async with Broker(nothing) as broker:
        port = broker.port
    assert await reason("127.0.0.1", port) == failure.REFUSED


async def test_a_name_that_nobody_has_is_told():
    assert await reason("no such name", 1883) == failure.NAME_NOT_FOUND


async def test_steps_are_told_as_they_begin():
    steps = []
    async with Broker(nothing) as broker:
        (await connecting.connect("127.0.0.1", broker.port, progress=steps.append)).close()
    assert steps == ["name", "server", "login"], steps


async def test_the_last_good_address_stands_in_when_a_name_is_not_answered():
    async with Broker(nothing) as broker:
        (await connecting.connect("127.0.0.1", broker.port)).close()
        known = known_addresses[("127.0.0.1", broker.port)]
        known_addresses[("mqtt .local", broker.port)] = known
        (await connecting.connect("mqtt .local", broker.port)).close()


async def test_a_failed_connection_leaves_no_socket_open():
    opened = []
    plain = connecting._socket

    def counted():
        opened.append(plain())
        return opened[-1]

    connecting._socket = counted
    try:
        await reason("127.0.0.1", 1)
    finally:
        connecting._socket = plain
    try:
        opened[0].write(b"x")
    except OSError as error:
        assert error.errno == 9, error
        return
    raise AssertionError("the socket is still open")


async def test_a_certificate_is_not_checked_against_a_clock_that_was_never_set():
    class NoAnswer:
        @staticmethod
        def settime():
            raise OSError(116)

    sys.modules["ntptime"] = NoAnswer
    year, tls._FIRST_YEAR = tls._FIRST_YEAR, 9999
    try:
        await connecting.connect("127.0.0.1", 1, True, "a CA")
    except Failure as found:
        assert found.reason == failure.TLS and "clock" in found.detail, found
        return
    finally:
        tls._FIRST_YEAR = year
    raise AssertionError("connected")


async def test_the_end_of_the_stream_is_an_error_and_not_an_empty_answer():
    async def script(broker):
        await broker.send(b"ab")

    async with Broker(script) as broker:
        over = await connecting.connect("127.0.0.1", broker.port)
        assert await over.read_exactly(2) == b"ab"
        try:
            await over.read_exactly(1)
        except OSError:
            return
        raise AssertionError("read beyond the end")
