"""Stays online: gets to the server, has a session with it, again and again."""

import asyncio

from mote import led, memory, patience
from mote.backoff import Backoff
from mote.wifi import station

# What gets the board online is not needed while it is; it holds a third of the memory.
_REACHING = ("mote.reaching", "mote.failure", "mote.wifi.joining", "mote.wifi.scan") + (
    "mote.mqtt.connecting",
    "mote.mqtt.tls",
)


class Online:
    """Runs `session(client)` for each login, which returns how many ms the connection held.

    `end(why, mode)` is called when the board has to restart. A `portal` that is given stays open.
    """

    def __init__(self, settings, session, end, portal=None):
        self.settings = settings
        self.end = end
        self.wifi = Backoff()
        self.server = Backoff()
        # The portal that is open beside, if one is.
        self.portal = portal
        self.portal_stays = portal is not None
        # Whether it has been online since the start.
        self.was = False
        self._connected = False
        self._session = session

    async def stay(self):
        """For ever; only cancelling ends it."""
        while True:
            await self._once()
            await self.pause()

    async def _once(self):
        # A call of its own: a frame that goes on would keep the client, and all that is loaded
        # for it, in a place of its stack that nothing overwrites.
        client = await self._reach()
        self.was = self._connected = True
        self.make_room()
        held_ms = await self._session(client)
        self._connected = False
        if held_ms >= patience.CONNECTION_STEADY_MS:
            self.server.over()

    def make_room(self):
        """Forget what got the board online, while it is."""
        # A phone may be in the middle of a trial, which needs it.
        if self._connected and not (self.portal and self.portal.busy):
            memory.forget(*_REACHING)

    async def _reach(self):
        from mote import reaching

        return await reaching.server(self)

    async def pause(self):
        """Wait before the next attempt to reach the server."""
        self.server.failed()
        # A connection that went with the WiFi is not the server's fault: it need not wait.
        if station.address():
            led.show("error")
            await asyncio.sleep_ms(self.server.pause_ms())
