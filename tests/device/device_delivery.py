"""From a reading to its arrival: live, as backfill, once and in order, whatever breaks."""

import asyncio

from delivery_world import NOW_MS, STEP_MS, Board, Broker, Quick, line, settled
from file_flash import Chip
from mote import delivery, log, sending
from mote.clock import uptime
from still_time import StillTime


async def test_online_a_round_goes_straight_out():
    with Chip(64):
        board = Board()
        broker = await board.online(Broker())
        await board.takes({"t": 21.5, "h": 40})
        assert broker.sent == [("sensors/dev/h", "40"), ("sensors/dev/t", "21.5")], broker.sent
        assert len(board.delivery) == 0 and board.delivery.lost == 0


async def test_what_was_taken_offline_comes_as_backfill_with_its_times():
    with Chip(64), Quick(-1):
        board = Board()
        await board.takes({"t": 1}, {"t": 2}, {"t": 3})
        assert len(board.delivery) == 3
        broker = await board.online(Broker())
        assert broker.lines() == [line("t", i + 1, NOW_MS + i * STEP_MS) for i in range(3)]
        assert not broker.live() and len(board.delivery) == 0


async def test_a_sensor_that_was_late_and_is_on_time_again_gets_two_times():
    with Chip(64), Quick(-1):
        board = Board()
        board.delivery.take("t", 1)
        board.time.ms += delivery.GATHER_MS - 1
        board.delivery.take("t", 2)
        board.delivery.keep()
        broker = await board.online(Broker())
        late = NOW_MS + delivery.GATHER_MS - 1
        assert broker.lines() == [line("t", 1, NOW_MS), line("t", 2, late)], broker.lines()


async def test_a_reading_is_owed_until_it_is_acknowledged():
    with Chip(64):
        board = Board()
        broker = await board.online(Broker(at_once=False))
        await board.takes({"t": 1})
        assert broker.live() and len(board.delivery) == 1
        broker.acknowledge()
        await settled()
        assert len(board.delivery) == 0


async def test_live_readings_do_not_wait_for_the_backlog():
    with Chip(64):
        board = Board()
        with Quick(-1):
            await board.takes(*[{"t": i} for i in range(100)])
            broker = await board.online(Broker(at_once=False))
        assert len(broker.lines()) == sending.BACKFILL_READINGS and not broker.live()
        await board.takes({"t": 777})
        assert broker.live() == [("sensors/dev/t", "777")]
        # They arrive while older ones are owed, and are not sent a second time.
        broker.at_once = True
        broker.acknowledge()
        await settled()
        assert [one.split("value=")[1].split()[0] for one in broker.lines()] == [
            str(i) for i in range(100)
        ]
        assert len(board.delivery) == 0 and len(broker.live()) == 1


async def test_many_pieces_that_arrived_live_among_the_owed_ones():
    with Chip(64):
        board = Board()
        await board.takes_unseen(*range(40))
        live = []
        # Each connection takes one live round, and no backfill.
        for i in range(40, 60, 2):
            broker = await board.online(Broker(at_once=False))
            await board.takes({"t": i})
            for left, news, topic in broker.on_their_way:
                if topic == "sensors/dev/t":
                    left.clear()
                    news.set()
            await settled()
            await board.offline()
            live += [int(p) for _, p in broker.live()]
            await board.takes_unseen(i + 1)
        assert live == list(range(40, 60, 2)), live
        broker = await board.online(Broker())
        numbers = [int(one.split("value=")[1].split()[0]) for one in broker.lines()]
        assert numbers == sorted(set(numbers)) and len(board.delivery) == 0
        # What was forgotten to have arrived is sent twice, never not at all.
        assert set(numbers) | set(live) == set(range(60))
        assert len(set(numbers) & set(live)) == 10 - delivery._PIECES_MAX


async def test_a_round_that_broke_in_the_middle_is_sent_again_without_what_arrived():
    with Chip(64):
        board = Board()
        broker = await board.online(Broker(at_once=False))
        await board.takes({"a": 1, "b": 2, "c": 3})
        broker.acknowledge(2)
        await settled()
        await board.offline()
        assert len(board.delivery) == 3
        again = await board.online(Broker())
        assert again.lines() == [line("c", 3, NOW_MS)] and len(board.delivery) == 0


async def test_a_broker_that_is_gone_is_told_to_the_connection():
    with Chip(64):
        board = Board()
        broker = await board.online(Broker())
        broker.reason = OSError(104)
        await board.takes({"t": 1})
        assert isinstance(broker.reason, OSError) and len(board.delivery) == 1


async def test_what_waited_too_long_to_be_live_is_backfill():
    with Chip(64), Quick(30), StillTime(delivery, sending):
        board = Board()
        broker = await board.online(Broker(at_once=False))
        await board.takes({"t": 1}, {"t": 2})
        assert broker.live() == [("sensors/dev/t", "1")]
        await asyncio.sleep_ms(60)
        broker.at_once = True
        broker.acknowledge()
        await settled()
        assert len(broker.live()) == 1
        assert broker.lines() == [line("t", 2, NOW_MS + STEP_MS)] and len(board.delivery) == 0


async def test_without_a_clock_readings_wait_for_their_time():
    with Chip(64), Quick(-1):
        board = Board(known=False)
        earliest = uptime.ms()
        await board.takes({"t": 1})
        latest = uptime.ms()
        broker = await board.online(Broker())
        assert not broker.sent and len(board.delivery) == 1
        board.delivery.date()
        assert not broker.sent
        board.time.known = True
        board.delivery.date()
        await settled()
        (only,) = broker.lines()
        ms = int(only.split()[-1]) // 1_000_000
        assert board.time.boot_ms() + earliest <= ms <= board.time.boot_ms() + latest
        assert len(board.delivery) == 0


async def test_without_a_clock_live_readings_go_out_all_the_same():
    with Chip(64):
        board = Board(known=False)
        broker = await board.online(Broker())
        await board.takes({"t": 1})
        assert broker.live() == [("sensors/dev/t", "1")] and len(board.delivery) == 0


async def test_a_restart_forgets_nothing():
    with Chip(64), Quick(-1):
        board = Board()
        await board.takes({"t": 1}, {"t": 2})
        board.start()
        broker = await board.online(Broker())
        assert [one.split("value=")[1][0] for one in broker.lines()] == ["1", "2"]


async def test_a_replay_sends_again_what_arrived_live_too():
    with Chip(64):
        board = Board()
        broker = await board.online(Broker())
        await board.takes(*[{"t": i} for i in range(10)])
        assert len(broker.live()) == 10
        assert board.delivery.replay(NOW_MS + 4 * STEP_MS) == 6
        await settled()
        assert broker.lines() == [line("t", i, NOW_MS + i * STEP_MS) for i in range(4, 10)]
        assert len(board.delivery) == 0


async def test_a_replay_that_comes_while_backfill_is_on_its_way_skips_nothing():
    with Chip(64):
        board = Board()
        broker = await board.online(Broker())
        await board.takes(*[{"t": i} for i in range(10)])
        await board.offline()
        await board.takes_unseen(10, 11)
        broker = await board.online(Broker(at_once=False))
        assert len(broker.lines()) == 2
        board.delivery.replay(NOW_MS)
        broker.at_once = True
        broker.acknowledge()
        await settled()
        numbers = [int(one.split("value=")[1].split()[0]) for one in broker.lines()]
        assert numbers == [10, 11] + list(range(12)), numbers  # noqa: RUF005
        assert len(board.delivery) == 0


async def test_a_round_for_which_there_is_no_memory_is_tried_once_more():
    with Chip(64), Quick(-1):
        board = Board()
        write = board.delivery.ring._journal.write
        failing = [MemoryError()]

        def narrow(*given):
            if failing:
                raise failing.pop()
            write(*given)

        board.delivery.ring._journal.write = narrow
        await board.takes({"t": 1}, {"t": 2})
        assert board.delivery.lost == 0 and len(board.delivery) == 2
        log.set_level("E")
        failing += [MemoryError(), MemoryError()]
        await board.takes({"t": 3}, {"t": 4})
        log.set_level("I")
        assert board.delivery.lost == 1
        broker = await board.online(Broker())
        assert [one.split("value=")[1][0] for one in broker.lines()] == ["1", "2", "4"]


async def test_a_flash_that_refuses_does_not_keep_the_board_silent():
    log.set_level("E")
    with Chip(64):
        board = Board()
        broker = await board.online(Broker(at_once=False))

        def refuses(*_):
            raise OSError(5)

        append = board.delivery.ring.append
        board.delivery.ring.append = refuses
        await board.takes({"t": 1, "h": 2})
        assert len(broker.live()) == 2 and board.delivery.lost == 2
        broker.acknowledge()
        await settled()
        assert board.delivery.lost == 0
        board.delivery.ring.append = append
        await board.takes({"t": 3})
        broker.acknowledge()
        await settled()
        assert broker.live()[-1] == ("sensors/dev/t", "3") and len(board.delivery) == 0
    log.set_level("I")
