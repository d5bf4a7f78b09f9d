"""A board's client: its topics, its last will, its reasons when the server does not let it in."""

from mote import contract, failure, log
from mote.failure import Failure
from mote.mqtt import link
from mote.mqtt.protocol import NotMqtt, Session
from umqtt.simple import MQTTException

# A board whose power is cut is `offline` after one and a half of these (MQTT 3.1.1, 3.1.2.10).
KEEPALIVE_S = 20
_BAD_LOGIN = (4, 5)


class Client(Session):
    """The MQTT client that a configuration document describes."""

    def __init__(self, settings):
        server = settings["mqtt"]
        self.device = settings["id"]
        # A password without a user name belongs to the device itself.
        user = server["user"] or (self.device if server["password"] else None)
        super().__init__(
            self.device, server["host"], server["port"], user, server["password"], KEEPALIVE_S
        )
        self._tls = server["tls"]
        self._ca = server["ca"]
        self.set_last_will(contract.device_topic(self.device, "status"), contract.OFFLINE, True, 1)

    async def connect(self, progress=lambda step: None):
        """Connect and log in. `progress` is told "name", "server", "login". Raises Failure."""
        try:
            await super().connect(self._tls, self._ca, progress)
        except MQTTException as error:
            code = error.args[0]
            reason = failure.BAD_LOGIN if code in _BAD_LOGIN else failure.REFUSED
            raise Failure(reason, "return code %d" % code) from None
        except NotMqtt:
            raise Failure(failure.NOT_MQTT) from None
        except (OSError, ValueError) as error:
            raise link.explained(error) from None

    async def announce(self):
        """Say `online`, retained."""
        await self.publish(
            contract.device_topic(self.device, "status"), contract.ONLINE, retain=True, qos=1
        )
        log.info("%s%s:%d" % (contract.LOG_CONNECTED, self.server, self.port))

    async def leave(self):
        """Say `offline` and go, as before a restart that was asked for."""
        try:
            await self.publish(
                contract.device_topic(self.device, "status"), contract.OFFLINE, retain=True, qos=1
            )
        except OSError:
            pass
        await self.disconnect()
