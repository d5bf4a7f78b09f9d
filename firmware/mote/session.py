"""What a board does while it is connected: says who it is, hears commands, delivers.

Loaded with a connection, and forgotten with it: without one, its memory is the portal's.
"""

import asyncio
import json
import time
from errno import ENOMEM, ENOTCONN

from mote import (
    __version__,
    board,
    config,
    contract,
    led,
    log,
    memory,
    patience,
    starts,
    system,
    tasks,
    update,
)
from mote.obeying import EVICTIONS
from mote.sending import Sending
from mote.wifi import station

INFO_EVERY_MS = 300_000
# Bytes of the longest message where memory beside TLS is short: what is longer is refused.
_RECEIVE_MAX_BESIDE_TLS = 1536
# The will of an older connection comes one and a half keep-alives after it at the latest.
_OLD_WILL_MS = 45_000
_WIFI_STEP_MS = 500


class Session:
    """One connection of `node`, an `Obeying` with sensors, clock, delivery and `first`, true until
    the first reading of this start is published.
    """

    _shown = "connected"
    _since = 0

    def __init__(self, node, client):
        self._node = node
        self._client = client
        self._device = node.settings["id"]

    async def hold(self):
        """From the login to the loss of the connection; how many ms it held."""
        client = self._client
        self._since = time.ticks_ms()
        works = []
        try:
            client.set_callback(lambda _, payload: self._node.obey().received(payload))
            client.on_too_long = self._too_long
            if memory.is_short_beside_tls(self._node.settings["mqtt"]):
                client.receive_max = _RECEIVE_MAX_BESIDE_TLS
            await client.subscribe(self._topic("cmd"), 1)
            await client.announce()
            await self._node.connected(client)
            led.show(self._shown)
            for work in self._works():
                works.append(tasks.start(work))
            await client.closed.wait()
        except OSError as error:
            client.close(error)
        except MemoryError:
            # Beside a portal, mostly: the next attempt may find more.
            client.close(OSError(ENOMEM))
        finally:
            self._node.disconnected()
            for task in works:
                task.cancel()
            client.close()
        log.warning("%s%s: %r" % (contract.LOG_DISCONNECTED, client.server, client.reason))
        held_ms = self._held_ms()
        self._node.closed_by_server(client.reason, held_ms)
        return held_ms

    def _held_ms(self):
        return time.ticks_diff(time.ticks_ms(), self._since)

    def _too_long(self, _, excerpt, size):
        return self._node.obey().too_large(excerpt, size, self._client.receive_max)

    def _works(self):
        """What goes on while the connection holds."""
        sending = Sending(self._device, self._node.delivery, self._client, self._delivered)
        return self._tell(), self._close_without_wifi(), sending.run()

    async def _close_without_wifi(self):
        """The radio knows of a lost network long before an acknowledgement is overdue."""
        while station.address():
            await asyncio.sleep_ms(_WIFI_STEP_MS)
        self._client.close(OSError(ENOTCONN))

    def _topic(self, leaf):
        return contract.device_topic(self._device, leaf)

    def _delivered(self):
        if self._node.first:
            self._node.first = False
            log.info(contract.LOG_FIRST_READING)

    async def _tell(self):
        """Who the board is: what it was left to say, its metrics, its state from time to time."""
        try:
            await self._tell_once()
            await self._announce_metrics()
            pause_ms = _OLD_WILL_MS
            while True:
                info = json.dumps(self._info())
                await self._client.publish(self._topic("info"), info, True, 1)
                info = None
                await asyncio.sleep_ms(pause_ms)
                # The late will of an older connection must not leave the board offline for good.
                await self._client.tell_online()
                pause_ms = INFO_EVERY_MS
        except OSError as error:
            self._client.close(error)
        except MemoryError:
            self._client.close(OSError(ENOMEM))

    async def _tell_once(self):
        """What the start before this one left to be said."""
        if config.on_probation(over=True):
            from mote import probation

            outcome = probation.passed()
            if outcome:
                await self._node.obey().conclude("config", *outcome)
            # Not before it is out: a lost connection must not swallow it.
            probation.told()
            from mote import identity

            await identity.release()
            memory.forget("mote.identity")
        if update.due():
            await self._conclude()
        await self._tell_crash()

    async def _tell_crash(self):
        trace = starts.untold()
        if trace:
            await self._client.publish(self._topic("log"), trace, qos=1)
            starts.told()

    async def _conclude(self):
        from mote.update import trial

        await trial.conclude(self._node.obey())
        del trial
        memory.forget(*update.MODULES)

    async def _announce_metrics(self):
        from mote import homeassistant

        metrics = [name for sensor in self._node.sensors for name in sensor.names]
        complete = all(sensor.names for sensor in self._node.sensors)
        interval_s = self._node.settings["interval"]
        await homeassistant.announce(
            self._client, self._device, metrics, board.chip(), interval_s, complete
        )
        memory.forget("mote.homeassistant", "mote.units")

    def _info(self):
        node = self._node
        info = about()
        info["sensors"] = [sensor.kind for sensor in node.sensors if sensor.names]
        info["queue"] = len(node.delivery)
        info["lost"] = node.delivery.lost
        info["clock"] = node.clock.known
        if self._held_ms() >= patience.CONNECTION_STEADY_MS:
            node.evictions = 0
        if node.evictions >= EVICTIONS:
            info[contract.EVICTED] = node.evictions
        return info


def about():
    """What `info` says of every board, whatever it does."""
    return {
        "version": __version__,
        "board": board.chip(),
        "profile": board.profile()["key"],
        "ip": station.address(),
        "rssi": station.rssi(),
        "heap": memory.free_heap(),
        "heap_low": memory.heap_low(),
        "reset": system.reset_cause(),
        "crashes": starts.crashes(),
    }
