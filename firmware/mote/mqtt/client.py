"""A board's client: its last will, its presence, its reasons when the server does not let it in."""

from errno import ECONNRESET, ENOMEM

from umqtt.simple import MQTTException

from mote import contract, failure, log
from mote.failure import Failure
from mote.mqtt import link
from mote.mqtt.packets import ProtocolError
from mote.mqtt.protocol import Session

# A board whose power is cut is `offline` after one and a half of these (3.1.2.10): half a minute.
# Radios that sleep would want 60 s; a board on mains keeps its radio awake.
KEEPALIVE_S = 20
# CONNACK return codes (3.2.2.3).
_SERVER_BUSY = 3
_WRONG_LOGIN = (2, 4, 5)


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
        self._tls = server["tls"]
        self._ca = server["ca"]
        self._status = contract.device_topic(self.device, "status")
        self.set_last_will(self._status, contract.OFFLINE, True, 1)

    async def connect(self, progress=lambda step: None):
        """Connect and log in; nothing is published yet. Raises Failure.

        `progress` is told "name", "server" and "login" as each step begins.
        """
        over = await link.connect(self.server, self.port, self._tls, self._ca, progress)
        try:
            await super().connect(over)
        except MQTTException as error:
            raise _refused(error.args[0]) from None
        except ProtocolError as error:
            raise Failure(failure.NOT_MQTT, str(error)) from None
        except (OSError, ValueError, MemoryError) as error:
            raise self._lost(error) from None

    async def announce(self):
        """Say `online`, retained. Raises OSError."""
        await self.publish(self._status, contract.ONLINE, retain=True, qos=1)
        log.info("%s%s:%d" % (contract.LOG_CONNECTED, self.server, self.port))

    async def leave(self):
        """Say `offline` and go, as before a restart that was asked for."""
        try:
            await self.publish(self._status, contract.OFFLINE, retain=True, qos=1)
        except OSError:
            # Without a goodbye the broker says it for the board.
            self.close()
        await self.disconnect()

    def _lost(self, error):
        # mbedTLS has ValueError, ENOMEM and negative numbers; the rest is the network's, but a
        # server that does not speak TLS hangs up in the middle of the handshake.
        of_tls = (ENOMEM, ECONNRESET) if self._tls else ()
        if isinstance(error, OSError) and error.errno > 0 and error.errno not in of_tls:
            return link.server_failure(error)
        from mote.mqtt import tls

        return tls.explained(error)


def _refused(code):
    detail = "return code %d" % code
    if code in _WRONG_LOGIN:
        return Failure(failure.BAD_LOGIN, detail)
    return Failure(failure.REFUSED if code == _SERVER_BUSY else failure.NOT_MQTT, detail)
