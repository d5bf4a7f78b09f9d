"""Talks with boards over MQTT: a command goes out, its answers come back by nonce (contract 1).

What else is heard on the way (who is online, what a board says of itself) goes to listeners.
"""

import asyncio
import contextlib
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from mote import contract
from paho.mqtt.enums import CallbackAPIVersion

from motekit import config, payloads

CONNECT_S = 10.0
# A board that was busy, or a connection that was lost, gets the same command again after this long.
AGAIN_S = 10.0
RECONNECT_MAX_S = 5
# A board that is short of memory is asked again so often, with this pause.
MEMORY_ATTEMPTS = 10
MEMORY_PAUSE_S = 3.0
Answer = dict[str, Any]
Message = mqtt.MQTTMessage
Listener = Callable[[Message], None]


@dataclass(frozen=True)
class Server:
    """An MQTT server and how to log in; `ca` is a file of certificates, None for the system's."""

    host: str
    port: int = contract.MQTT_PORT
    user: str = ""
    password: str = ""
    ca: Path | None = None
    tls: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class ServerError(Exception):
    """No way to the MQTT server; the text says what to do."""


@dataclass
class _Heard:
    """A topic filter that is subscribed to; `judged` is whether the server allowed it."""

    qos: int
    listeners: list[Listener]
    judged: asyncio.Future[bool]


class Conversation:
    """What `conversation` gives. One for any number of boards, all within one event loop."""

    def __init__(self, client: mqtt.Client) -> None:
        self._client = client
        self._waiting: dict[str, asyncio.Queue[Answer]] = {}
        self._heard: dict[str, _Heard] = {}
        # Topic filters by the number of their SUBSCRIBE.
        self._subscribing: dict[int, str] = {}

    @asynccontextmanager
    async def asked(self, device: str, **command: Any) -> AsyncIterator["Asked"]:
        """A command that is under way to `device` as long as the context is open."""
        nonce = secrets.token_hex(8)
        answers = self._waiting[nonce] = asyncio.Queue()
        payload = config.for_board({"nonce": nonce, **command})
        self.hear_replies(device)
        try:
            yield Asked(self._client, contract.device_topic(device, "cmd"), payload, answers)
        finally:
            del self._waiting[nonce]

    async def ask(self, device: str, timeout: float, **command: Any) -> Answer:
        """The first answer. Raises TimeoutError when there is none for `timeout` seconds.

        A board without the memory for the command is asked again: it mostly has it soon, when what
        follows a new connection is done.
        """
        for _ in range(MEMORY_ATTEMPTS):
            async with self.asked(device, **command) as asked:
                answer = await asked.answer(timeout)
            if answer["ok"] or not str(answer.get("error")).endswith(contract.NO_MEMORY):
                break
            await asyncio.sleep(MEMORY_PAUSE_S)
        return answer

    def hear_replies(self, device: str) -> None:
        """From now on the answers that come under this name are heard."""
        self.hear(contract.device_topic(device, "reply"), self._answered, qos=1)

    def hear(self, pattern: str, listener: Listener, qos: int = 0) -> None:
        """Call `listener` with each message whose topic matches `pattern`, for ever."""
        heard = self._heard.get(pattern)
        if heard is None:
            judged: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self._heard[pattern] = _Heard(qos, [listener], judged)
            self._subscribe(pattern)
        elif listener not in heard.listeners:
            heard.listeners.append(listener)

    async def may_hear(self, pattern: str) -> bool:
        """Whether the server took the subscription; waits until it has said so."""
        return await asyncio.shield(self._heard[pattern].judged)

    def connected(self) -> None:
        """The server was reached, for the first time or anew."""
        self._subscribing.clear()
        for pattern in self._heard:
            self._subscribe(pattern)

    def subscribed(self, number: int, allowed: bool) -> None:
        """The server's word on one subscription."""
        heard = self._heard.get(self._subscribing.pop(number, ""))
        if heard and not heard.judged.done():
            heard.judged.set_result(allowed)

    def arrived(self, message: Message) -> None:
        """A message on any topic that is heard."""
        for pattern, heard in list(self._heard.items()):
            if mqtt.topic_matches_sub(pattern, message.topic):
                for listener in heard.listeners:
                    listener(message)

    def _answered(self, message: Message) -> None:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            answer = payloads.parse_json_object(bytes(message.payload))
            if not isinstance(answer["ok"], bool):
                raise TypeError
            self._waiting[answer["nonce"]].put_nowait(answer)

    def _subscribe(self, pattern: str) -> None:
        if self._client.is_connected():
            _, number = self._client.subscribe(pattern, self._heard[pattern].qos)
            if number is not None:
                self._subscribing[number] = pattern


class Asked:
    """One command: a copy of it changes nothing, a board does it once."""

    def __init__(
        self, client: mqtt.Client, topic: str, payload: str, answers: asyncio.Queue[Answer]
    ) -> None:
        self._client, self.topic, self.payload = client, topic, payload
        self._answers = answers

    async def answer(self, timeout: float) -> Answer:
        """The first answer; the command is sent as often as it takes. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            self.send()
            return await self.another()

    async def another(self) -> Answer:
        """The next answer; the command is sent again while there is none."""
        while True:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self._answers.get(), AGAIN_S)
            self.send()

    async def outcome(self, answer: Answer, timeout: float) -> Answer:
        """What becomes of an order that takes a restart: refused as in `answer`, failed, or done.

        Raises TimeoutError.
        """
        async with asyncio.timeout(timeout):
            while answer["ok"] and not answer.get("done"):
                answer = await self.another()
        return answer

    def send(self) -> None:
        """Once more, and without waiting."""
        # Without a connection it would only wait in line behind itself.
        if self._client.is_connected():
            self._client.publish(self.topic, self.payload, qos=1)


@asynccontextmanager
async def conversation(server: Server) -> AsyncIterator[Conversation]:  # noqa: PLR0915
    """A connection to `server`, made anew whenever it is lost. Raises ServerError."""
    loop = asyncio.get_running_loop()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    talk = Conversation(client)
    entered: asyncio.Future[str] = loop.create_future()

    def tell(refusal: str) -> None:
        if not entered.done():
            entered.set_result(refusal)
        if not refusal:
            talk.connected()

    def connected(_: Any, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        refusal = str(reason) if reason.is_failure else ""
        loop.call_soon_threadsafe(tell, refusal)

    def subscribed(_: Any, __: Any, number: int, reasons: Any, ___: Any) -> None:
        allowed = not any(reason.is_failure for reason in reasons)
        loop.call_soon_threadsafe(talk.subscribed, number, allowed)

    def message(_: Any, __: Any, received: Message) -> None:
        loop.call_soon_threadsafe(talk.arrived, received)

    client.on_connect = connected
    client.on_subscribe = subscribed
    client.on_message = message
    client.connect_timeout = CONNECT_S
    client.reconnect_delay_set(1, RECONNECT_MAX_S)
    if server.user:
        client.username_pw_set(server.user, server.password)
    try:
        if server.ca or server.tls:
            client.tls_set(ca_certs=str(server.ca) if server.ca else None)
    except OSError as error:
        raise ServerError(f"{server.ca} holds no certificate in PEM form: {error}") from error
    try:
        await asyncio.to_thread(client.connect, server.host, server.port)
    except ssl.SSLError as error:
        raise ServerError(
            f"{server} cannot be trusted ({error}): check its name, and that --ca is its own CA"
        ) from error
    except OSError as error:
        raise ServerError(
            f"no MQTT server answers at {server} ({error}). Start one with `mote hub`, or give "
            "another with --server"
        ) from error
    client.loop_start()
    try:
        async with asyncio.timeout(CONNECT_S):
            refusal = await entered
        if refusal:
            raise ServerError(
                f"{server} refused the login: {refusal}. Check --user and MOTE_PASSWORD, or --data "
                "for a hub of this machine"
            )
        yield talk
    except TimeoutError:
        if entered.done():
            raise
        raise ServerError(f"{server} takes connections and does not speak MQTT") from None
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)
