"""What is owed goes out over one connection: live rounds at once, older ones as backfill beside.

A live round and a message of backfill may be on their way at the same time. Loaded with a
connection, and forgotten with it.
"""

import time
from errno import ENOMEM

from mote import contract

# A live topic has no time of its own: what waited longer than this is sent as backfill.
LIVE_MS = 2_000
# Readings in one message of backfill: about a kilobyte.
BACKFILL_READINGS = 16
_NEVER = 1 << 32


class Sending:
    """Sends what `owed` (a `Delivery`) owes; `delivered` is told of each live round."""

    def __init__(self, device, owed, client, delivered=lambda: None):
        self._device = device
        self._owed = owed
        self._client = client
        self._delivered = delivered

    async def run(self):
        """Until the connection is gone."""
        client, owed = self._client, self._owed
        topic = contract.backfill_topic(self._device)
        live, live_left, old_left = None, (), ()
        owed.old = 0
        try:
            while True:
                owed.news.clear()
                if live and not live_left:
                    owed.has_arrived(*live)
                    live = None
                    self._delivered()
                if owed.old and not old_left:
                    owed.ring.delivered(owed.old)
                    owed.old = 0
                if not live:
                    live = self._next_live()
                    if live:
                        live_left = await client.publish_all(self._messages(live), owed.news)
                        ids = tuple(live_left)
                if not old_left:
                    owed.old, payload = self._next_old(live)
                    if payload:
                        old_left = await client.publish_all(((topic, payload),), owed.news)
                    elif owed.old:
                        continue
                await owed.news.wait()
        except OSError as error:
            # A broker that does not acknowledge is as good as gone.
            client.close(error)
        except MemoryError:
            # Beside a portal: it stays owed, the next connection may have more.
            client.close(OSError(ENOMEM))
        finally:
            if live and live_left:
                # What arrived of a round is not sent once more.
                there = [one[0] for one, pid in zip(live[1], ids) if pid not in live_left]
                owed.part = live[0], there

    def _next_live(self):
        """(number, readings) of the oldest round that can still go out live, or None."""
        waiting = self._owed.live
        while waiting:
            number, taken_ms, readings = waiting.pop(0)
            if time.ticks_diff(time.ticks_ms(), taken_ms) <= LIVE_MS:
                return number, readings
        return None

    def _messages(self, live):
        for metric, value in live[1]:
            yield contract.sensor_topic(self._device, metric), contract.format_value(value)

    def _next_old(self, live):
        """The next message of backfill: the number of its last round, and its text.

        (0, "") when there is none. The text is empty when those rounds arrived by other ways.
        """
        owed = self._owed
        if not owed.clock.known or not owed.ring.pending():
            return 0, ""
        first_live = min([one[0] for one in [live] + owed.live if one and one[0]] or [_NEVER])
        last, lines = 0, []
        for number, unix_ms, readings in owed.ring.peek(BACKFILL_READINGS):
            if number >= first_live:
                break
            last = number
            if not any(first <= number <= end for first, end in owed.arrived):
                self._add_lines(lines, number, unix_ms, readings)
        return last, "\n".join(lines)

    def _add_lines(self, lines, number, unix_ms, readings):
        part = self._owed.part
        there = part[1] if part[0] == number else ()
        for metric, value in readings:
            if metric not in there:
                # The time is in nanoseconds, and made of milliseconds.
                lines.append(
                    "sensors,device=%s,metric=%s value=%s %d000000"
                    % (self._device, metric, contract.format_value(value), unix_ms)
                )
