"""Asks boards over MQTT: a command goes out, its answers come back by their nonce (contract 1)."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from mote import contract
from paho.mqtt.enums import CallbackAPIVersion

CONNECT_S = 10.0
# A board that was busy, or a connection that was lost, gets the same command again after this long.
AGAIN_S = 10.0
RECONNECT_MAX_S = 5
Answer = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """An MQTT server and how to log in; `ca` is a file of certificates, None for no TLS."""

    host: str
    port: int = contract.MQTT_PORT
    user: str = ""
    password: str = ""
    ca: Path | None = None


class ServerError(Exception):
    """No way to the MQTT server; the text says what to do."""


class Conversation:
    """What `conversation` gives. One for any number of boards, all within one event loop."""

    def __init__(self, client: mqtt.Client) -> None:
        self._client = client
        self._devices: set[str] = set()
        self._waiting: dict[str, asyncio.Queue[Answer]] = {}

    @asynccontextmanager
    async def asked(self, device: str, **command: Any) -> AsyncIterator["Asked"]:
        """A command that is under way to `device` as long as the context is open."""
        nonce = secrets.token_hex(8)
        answers = self._waiting[nonce] = asyncio.Queue()
        payload = json.dumps({**command, "nonce": nonce})
        if device not in self._devices:
            self._devices.add(device)
            self._subscribe(device)
        try:
            yield Asked(self._client, contract.device_topic(device, "cmd"), payload, answers)
        finally:
            del self._waiting[nonce]

    async def ask(self, device: str, timeout: float, **command: Any) -> Answer:
        """The first answer. Raises TimeoutError when there is none for `timeout` seconds."""
        async with self.asked(device, **command) as asked:
            return await asked.answer(timeout)

    def connected(self) -> None:
        """The server was reached, for the first time or anew."""
        for device in self._devices:
            self._subscribe(device)

    def arrived(self, payload: bytes | bytearray) -> None:
        """A reply of any board."""
        with contextlib.suppress(ValueError, KeyError, TypeError):
            answer = json.loads(payload)
            self._waiting[answer["nonce"]].put_nowait(answer)

    def _subscribe(self, device: str) -> None:
        if self._client.is_connected():
            self._client.subscribe(contract.device_topic(device, "reply"), qos=1)


class Asked:
    """One command: a copy of it changes nothing, a board does it once."""

    def __init__(
        self, client: mqtt.Client, topic: str, payload: str, answers: asyncio.Queue[Answer]
    ) -> None:
        self._client, self._topic, self._payload = client, topic, payload
        self._answers = answers

    async def answer(self, timeout: float) -> Answer:
        """The first answer; the command is sent as often as it takes. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            self._send()
            return await self.another()

    async def another(self) -> Answer:
        """The next answer; the command is sent again while there is none."""
        while True:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self._answers.get(), AGAIN_S)
            self._send()

    def _send(self) -> None:
        # Without a connection it would only wait in line behind itself.
        if self._client.is_connected():
            self._client.publish(self._topic, self._payload, qos=1)


@asynccontextmanager
async def conversation(server: Server) -> AsyncIterator[Conversation]:
    """A connection to `server`, made anew whenever it is lost. Raises ServerError."""
    loop = asyncio.get_running_loop()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    talk = Conversation(client)
    entered: asyncio.Future[str] = loop.create_future()
    name = f"{server.host}:{server.port}"

    def tell(refusal: str) -> None:
        if not entered.done():
            entered.set_result(refusal)
        if not refusal:
            talk.connected()

    def connected(_: Any, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        refusal = str(reason) if reason.is_failure else ""
        loop.call_soon_threadsafe(tell, refusal)

    def message(_: Any, __: Any, received: mqtt.MQTTMessage) -> None:
        loop.call_soon_threadsafe(talk.arrived, received.payload)

    client.on_connect = connected
    client.on_message = message
    client.connect_timeout = CONNECT_S
    client.reconnect_delay_set(1, RECONNECT_MAX_S)
    if server.user:
        client.username_pw_set(server.user, server.password)
    try:
        if server.ca:
            client.tls_set(ca_certs=str(server.ca))
        await asyncio.to_thread(client.connect, server.host, server.port)
    except OSError as error:
        raise ServerError(f"no MQTT server answers at {name} ({error})") from error
    client.loop_start()
    try:
        async with asyncio.timeout(CONNECT_S):
            refusal = await entered
        if refusal:
            raise ServerError(f"{name} refused the login: {refusal}")
        yield talk
    except TimeoutError:
        if entered.done():
            raise
        raise ServerError(f"{name} takes connections and does not speak MQTT") from None
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)
