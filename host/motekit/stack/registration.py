"""Logins of boards in the backend on Docker, for `mote provision`: made, and proven to work."""

import secrets
import threading
from typing import ClassVar

import paho.mqtt.client as mqtt
from mote import contract

from motekit.credentials import OWNER, AccountError, new_password
from motekit.stack import broker
from motekit.stack.compose import StackError
from motekit.stack.installation import Installation

# A broker that could not be told of the login is being restarted.
PROOF_S = 30


class Registration:
    """The logins of one installation. Raises AccountError."""

    remove_command: ClassVar[str] = "mote stack remove"

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def names(self) -> list[str]:
        return self._installation.accounts.devices()

    def new_password(self, device: str) -> str:
        self._installation.accounts.check(device)
        return new_password()

    def put(self, device: str, password: str) -> None:
        """The broker knows it at once where it runs, and then it is proven."""
        self._installation.accounts.put(device, password)
        try:
            running = broker.tell(self._installation, {device: password})
        except (StackError, OSError) as error:
            raise AccountError(
                f"the login of {device} is made, but the broker does not know it yet: {error}. "
                "See mote stack doctor, then run the same command again"
            ) from error
        if running and not self._reads_back(device, password):
            raise AccountError(
                f"what {device} publishes with its new login does not arrive: mote stack doctor, "
                "mote stack logs mosquitto; then run the same command again"
            )

    def _reads_back(self, device: str, password: str) -> bool:
        """Whether a message of the device comes out of the broker.

        Its acknowledgement says nothing: the broker acknowledges what it refuses as well.
        """
        topic = contract.device_topic(device, "log")
        proof = f"I 0 provision: login proven {secrets.token_hex(8)}"
        arrived = threading.Event()
        listener = self._client(OWNER, self._installation.secret("mqtt"))
        speaker = self._client(device, password)

        def listens(client: mqtt.Client, *_details: object) -> None:
            client.subscribe(topic, qos=1)

        def hears(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
            if message.payload == proof.encode():
                arrived.set()

        def listened(*_details: object) -> None:
            # Only who is listened to speaks; after a break both come again.
            speaker.loop_start()

        def speaks(*_details: object) -> None:
            speaker.publish(topic, proof, qos=1)

        listener.on_connect = listens
        listener.on_message = hears
        listener.on_subscribe = listened
        speaker.on_connect = speaks
        listener.loop_start()
        try:
            return arrived.wait(PROOF_S)
        finally:
            for client in (speaker, listener):
                client.disconnect()
                client.loop_stop()

    def _client(self, user: str, password: str) -> mqtt.Client:
        # The broker lets a device in with its own client id only.
        client_id = "" if user == OWNER else user
        client = broker.client(self._installation, user, password, client_id)
        client.reconnect_delay_set(1, 1)
        client.connect_async(broker.HOST, self._installation.tls_port)
        return client
