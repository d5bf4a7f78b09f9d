"""SNTP: one question, and what comes back."""

import port_sockets
from counted_sockets import CountedSockets
from mote.clock import sntp
from ports import bound
from scripted_sntp import ERA_MS, NOW_MS, UNIX_1900, Server, answer, stamp
from still_time import StillTime

WAIT_MS = 300
clock = StillTime()


async def outcome(script, wait_ms=WAIT_MS):
    """What comes of one question: the answer, or the exception; and how many ms it took."""
    with clock:
        async with Server(script):
            # Some ms go into the pause before the lookup.
            start = clock.ticks_ms()
            try:
                result = await sntp.ask("127.0.0.1", wait_ms)
            except OSError as error:
                result = error
            return result, clock.ticks_diff(clock.ticks_ms(), start) - 50


def near(value, wanted, slack=40):
    return wanted <= value <= wanted + slack


async def test_a_good_answer_is_the_servers_time_and_half_the_way():
    (unix_ms, trip), _ = await outcome(lambda question: (answer(question),))
    assert near(trip, 0) and near(unix_ms, NOW_MS)
    assert unix_ms == NOW_MS + trip // 2


async def test_the_question_is_that_of_a_client_and_never_the_same():
    with clock:
        async with Server(lambda question: (answer(question),)) as server:
            await sntp.ask("127.0.0.1")
            await sntp.ask("127.0.0.1")
    first, second = server.questions
    assert len(first) == 48 and first[0] == 0x23 and first[1:40] == bytes(39)
    assert first[40:] != second[40:] and first[40:] != bytes(8)


async def test_what_the_server_held_is_no_part_of_the_round_trip():
    def slow(question):
        yield 100
        yield answer(question, NOW_MS - 100, NOW_MS)

    (unix_ms, trip), took = await outcome(slow)
    assert near(took, 100)
    assert near(trip, 0) and near(unix_ms, NOW_MS)


async def test_a_long_way_counts_by_half():
    def far(question):
        yield 200
        yield answer(question)

    (unix_ms, trip), _ = await outcome(far)
    assert near(trip, 199) and near(unix_ms, NOW_MS + 99)


async def test_silence_ends_in_time():
    error, took = await outcome(lambda question: ())
    assert isinstance(error, OSError) and near(took, WAIT_MS)


async def test_a_late_answer_is_none():
    def late(question):
        yield WAIT_MS + 60
        yield answer(question)

    error, took = await outcome(late)
    assert isinstance(error, OSError) and near(took, WAIT_MS)


async def test_an_answer_that_waited_for_a_busy_board_is_none():
    def busy(question):
        yield answer(question)
        clock.sleep_ms(WAIT_MS + 20)
        yield 1

    error, _ = await outcome(busy)
    assert isinstance(error, OSError)


async def test_an_answer_to_another_question_is_passed_over():
    def forged(question):
        yield answer(question, sent=NOW_MS + 5_000_000, origin=b"\1" * 8)
        yield answer(question, sent=NOW_MS + 5_000_000, origin=bytes(8))

    error, took = await outcome(forged)
    assert isinstance(error, OSError) and near(took, WAIT_MS)

    def both(question):
        yield from forged(question)
        yield answer(question)

    (unix_ms, _), _ = await outcome(both)
    assert near(unix_ms, NOW_MS)


async def test_garbage_and_other_modes_are_passed_over():
    def noise(question):
        yield b"noise"
        yield bytes(48)
        yield b"\xff" * 100
        wrong = NOW_MS + 5_000_000
        yield answer(question, wrong, wrong)[:47]
        # Client, broadcast, control message.
        for first in (0x23, 0x25, 0x26):
            yield answer(question, wrong, wrong, first)
        yield question
        yield answer(question) + b"an extension or a checksum"

    (unix_ms, _), _ = await outcome(noise, 1000)
    assert near(unix_ms, NOW_MS, 100)


async def with_the_ports_sockets(script, wait_ms=WAIT_MS):
    """`outcome` with sockets that an empty datagram ends, and how many of them were opened."""
    real, sntp.socket = sntp.socket, port_sockets
    port_sockets.opened.clear()
    try:
        result, took = await outcome(script, wait_ms)
    finally:
        sntp.socket = real
    assert all(sock.closed for sock in port_sockets.opened)
    return result, took, len(port_sockets.opened)


async def test_an_empty_datagram_before_the_answer_costs_another_question_and_no_time():
    for empties in (1, 2, 3):
        sent = []

        def disturbed(question, sent=sent, empties=empties):
            sent.append(question)
            if len(sent) <= empties:
                yield b""
            yield answer(question)

        (unix_ms, trip), took, sockets = await with_the_ports_sockets(disturbed)
        assert near(unix_ms, NOW_MS) and near(trip, 0), empties
        assert sockets == empties + 1 and took < WAIT_MS


async def test_empty_datagrams_without_end_are_no_answer_and_no_flood():
    def empty(question):
        yield b""
        yield answer(question)

    error, took, sockets = await with_the_ports_sockets(empty)
    assert isinstance(error, OSError) and sockets == 4 and took < WAIT_MS


async def test_a_kiss_of_death_is_told_apart():
    error, took = await outcome(lambda question: (answer(question, stratum=0, name=b"RATE"),))
    assert isinstance(error, sntp.Refused) and "RATE" in str(error)
    assert near(took, 0)


async def test_a_kiss_of_death_by_somebody_else_is_not_heard():
    def forged(question):
        yield answer(question, stratum=0, name=b"DENY", origin=b"\2" * 8)
        yield answer(question)

    (unix_ms, _), _ = await outcome(forged)
    assert near(unix_ms, NOW_MS)


async def test_a_server_without_a_time_is_refused_at_once():
    for bad in (
        {"first": 0xE4},
        {"stratum": 16},
        {"stratum": 255},
        {"sent": None},
        # Nothing at all is the first moment of the era of 2036.
        {"sent": None, "received": ERA_MS},
        # Sent before it was received; held longer than we waited; never received.
        {"received": NOW_MS + 1000},
        {"received": NOW_MS - 1000},
        {"received": -UNIX_1900 * 1000},
    ):
        error, took = await outcome(lambda question, bad=bad: (answer(question, **bad),))
        assert isinstance(error, OSError) and not isinstance(error, sntp.Refused), bad
        assert near(took, 0), bad


async def test_a_leap_second_and_a_distant_server_are_no_reason():
    for good in ({"first": 0x64}, {"first": 0xA4}, {"stratum": 1}, {"stratum": 15}):
        (unix_ms, _), _ = await outcome(lambda question, good=good: (answer(question, **good),))
        assert near(unix_ms, NOW_MS), good


async def test_the_timestamps_begin_anew_in_2036():
    era = ERA_MS
    assert stamp(era) == bytes(8)
    for now in (era - 1, era + 1, era + 400, era + 40_000_000_123):
        (unix_ms, trip), _ = await outcome(lambda question, now=now: (answer(question, now, now),))
        assert unix_ms == now + trip // 2, now
    # Received in one era and sent in the next.
    (unix_ms, _), _ = await outcome(lambda question: (answer(question, era - 5, era + 5),))
    assert near(unix_ms, era + 5)


async def test_a_time_that_the_chip_cannot_hold_is_no_time():
    # Its `time` counts seconds from 2000, 31 bits of them.
    last = (946_684_800 + (1 << 31)) * 1000
    for now in (last, last + 1, last + 40_000_000_000, ERA_MS + (1 << 31) * 1000 - 1):
        error, _ = await outcome(lambda question, now=now: (answer(question, now, now),))
        assert isinstance(error, OSError), now
    held = last - 2 * 86_400_000
    (unix_ms, _), _ = await outcome(lambda question: (answer(question, held, held),))
    assert near(unix_ms, held)


async def test_only_the_asked_address_answers():
    other, _ = bound()

    def elsewhere(question):
        other.sendto(answer(question, sent=NOW_MS + 5_000_000), server.sender)
        yield 20
        yield answer(question)

    with clock:
        async with Server(elsewhere) as server:
            unix_ms, _ = await sntp.ask("127.0.0.1", WAIT_MS)
            other.close()
    assert near(unix_ms, NOW_MS)


async def test_nobody_there_and_no_such_name_are_an_oserror():
    # Held, so that no server of another test takes it; nobody is at the other address.
    sock, port = bound()
    before, sntp.PORT = sntp.PORT, port
    try:
        for host in ("127.0.0.9", "no such name"):
            try:
                await sntp.ask(host, 100)
            except OSError:
                continue
            raise AssertionError(host)
    finally:
        sntp.PORT = before
        sock.close()


async def test_every_question_closes_its_socket():
    with CountedSockets(sntp) as sockets:
        await outcome(lambda question: (answer(question),))
        await outcome(lambda question: (answer(question, stratum=0),))
        await outcome(lambda question: (), 50)
        async with Server(lambda question: ()):
            await sockets.cancelled_after(90, sntp.ask("127.0.0.1"))
    assert len(sockets.opened) == 4 and sockets.opened == sockets.closed
