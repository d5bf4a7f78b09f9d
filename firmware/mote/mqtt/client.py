"""A board's client: who it is, its last will, its presence."""

from mote import contract, log
from mote.mqtt.protocol import Session

# A board whose power is cut is `offline` after one and a half of these (3.1.2.10): half a minute.
# Radios that sleep would want 60 s; a board on mains keeps its radio awake.
KEEPALIVE_S = 20


class Client(Session):
    """The MQTT client that a configuration document describes."""

    def __init__(self, settings):
        server = settings["mqtt"]
        self.device = settings["id"]
        # A password without a user name belongs to the device itself (contract 1).
        user = server["user"] or (self.device if server["password"] else None)
        super().__init__(
            self.device, server["host"], server["port"], user, server["password"], KEEPALIVE_S
        )
        self._status = contract.device_topic(self.device, "status")
        self.set_last_will(self._status, contract.OFFLINE, True, 1)

    async def tell_online(self):
        """Say `online`, retained. Raises OSError."""
        await self.publish(self._status, contract.ONLINE, retain=True, qos=1)

    async def announce(self):
        """Say `online`, for the first time on this connection. Raises OSError."""
        await self.tell_online()
        log.info("%s%s:%d" % (contract.LOG_CONNECTED, self.server, self.port))

    async def leave(self):
        """Say `offline` and go, as before a restart that was asked for."""
        try:
            await self.publish(self._status, contract.OFFLINE, retain=True, qos=1)
        except OSError:
            # Without a goodbye the broker says it for the board.
            self.close()
        await self.disconnect()
