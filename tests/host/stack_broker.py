"""A real Mosquitto with docker/mosquitto/mosquitto.conf, and its clients."""

import re
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from motekit.stack.installation import DOCKER, Installation
from motesim.network.ports import free_port
from paho.mqtt.enums import CallbackAPIVersion

WAIT_S = 60
LISTENERS = ("1883", "8883", "9001")


class StackBroker:
    """The broker on ports of its own, for an installation with two devices."""

    def __init__(self, folder: Path) -> None:
        self.installation = Installation(folder / "state")
        self.installation.make(["localhost"])
        self.passwords = self.installation.accounts.add(["plant1", "plant2"])
        self.passwords["owner"] = self.installation.secret("mqtt")
        secret = self.installation.secrets / "telegraf" / "mqtt_password"
        self.passwords["telegraf"] = secret.read_text()
        self.ports = {inside: free_port() for inside in LISTENERS}
        self.installation._set("MOTE_MQTT_TLS_PORT", str(self.ports["8883"]))
        (plugin,) = Path("/usr/lib").glob("*/mosquitto_dynamic_security.so")
        text = (DOCKER / "mosquitto" / "mosquitto.conf").read_text()
        for before, after in (
            ("/usr/lib/mosquitto_dynamic_security.so", plugin),
            ("/mosquitto/config", DOCKER / "mosquitto"),
            ("/mosquitto/users", self.installation.broker),
            ("/mosquitto/certificates", self.installation.certificates),
            ("/mosquitto/data/", f"{folder}/"),
        ):
            text = text.replace(before, str(after))
        for inside, port in self.ports.items():
            text = re.sub(rf"^listener {inside}$", f"listener {port} 127.0.0.1", text, flags=re.M)
        self._file = folder / "mosquitto.conf"
        self._file.write_text(f"user root\n{text}")

    def start(self) -> None:
        self._process = subprocess.Popen(["mosquitto", "-c", self._file], stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def connect(
        self, user: str, password: str, client_id: str, listener: str = "1883", keep: bool = True
    ) -> "Client":
        """A client that asks to be let in; `keep` is a session that outlives its connection."""
        return Client(self, user, password, client_id, listener, keep)


class Client:
    """One connection, and what came of it."""

    def __init__(
        self,
        broker: StackBroker,
        user: str,
        password: str,
        client_id: str,
        listener: str,
        keep: bool,
    ) -> None:
        self.code = ""
        self.heard: list[bytes] = []
        self.lost = False
        self.session_present = False
        self._subscribed = threading.Event()
        transport = "websockets" if listener == "9001" else "tcp"
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=not keep, transport=transport
        )
        if listener == "8883":
            authority = broker.installation.authority / "ca.crt"
            self._client.tls_set(str(authority), cert_reqs=ssl.CERT_REQUIRED)
        self._client.username_pw_set(user, password)
        self._client.will_set("devices/plant1/cmd", "a will of somebody else", qos=1)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_message = lambda _c, _d, message: self.heard.append(message.payload)
        self._client.on_subscribe = lambda *_details: self._subscribed.set()
        self._client.connect_timeout = WAIT_S

        def begun() -> bool:
            try:
                self._client.connect("localhost", broker.ports[listener])
            except ConnectionRefusedError:
                return False
            return True

        eventually(begun)
        self._client.loop_start()
        eventually(lambda: self.code)

    def _connected(self, _c: object, _d: object, flags: Any, code: object, _p: object) -> None:
        self.session_present = bool(flags.session_present)
        self.code = str(code)

    def _disconnected(self, *_details: object) -> None:
        self.lost = True
        # It does not come again by itself.
        self._client.disconnect()

    def subscribe(self, topic: str) -> None:
        self._subscribed.clear()
        self._client.subscribe(topic, qos=1)
        assert self._subscribed.wait(WAIT_S)

    def publish(self, topic: str, payload: str) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(WAIT_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def eventually(true: Callable[[], object]) -> None:
    until = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)
