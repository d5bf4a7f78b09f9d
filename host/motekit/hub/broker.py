"""The MQTT broker: amqtt in the process, with our accounts, rights and ingest plugged in."""

import asyncio
import contextlib
import logging
import warnings
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from amqtt.broker import Broker, RetainedApplicationMessage
from amqtt.contexts import Action, BaseContext, BrokerConfig, ListenerConfig
from amqtt.errors import ProtocolHandlerError
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.puback import PubackPacket
from amqtt.plugins.base import BaseAuthPlugin, BasePlugin, BaseTopicPlugin
from amqtt.session import (
    INCOMING,
    ApplicationMessage,
    IncomingApplicationMessage,
    OutgoingApplicationMessage,
    Session,
)

from motekit.hub import rights
from motekit.hub.accounts import Accounts
from motekit.hub.commit_queue import CommitQueue
from motekit.hub.keepalive import KeepAlive, KeepAlivePlugin
from motekit.hub.listening import is_loopback

_RETAINED = ("/status", "/info")


class LoginPlugin(BaseAuthPlugin):  # type: ignore[misc]
    """Lets accounts in, and clients without a name where the listener is loopback."""

    @dataclass
    class Config:
        accounts: Accounts
        anonymous: bool

    async def authenticate(self, *, session: Session) -> bool:
        user = session.username
        if not user:
            return bool(self.config.anonymous)
        if not self.config.accounts.verify(user, session.password or ""):
            return False
        # A will is published without asking for rights again.
        return not session.will_topic or rights.may_publish(user, session.will_topic)


class RightsPlugin(BaseTopicPlugin):  # type: ignore[misc]
    """Asks `rights` for every publish and subscription."""

    @dataclass
    class Config:
        pass

    async def topic_filtering(
        self,
        *,
        session: Session | None = None,
        topic: str | None = None,
        action: Action | None = None,
    ) -> bool:
        if session is None or topic is None:
            return False
        user = session.username or None
        if action == Action.SUBSCRIBE:
            return rights.may_subscribe(user, topic)
        if action == Action.PUBLISH:
            return rights.may_publish(user, topic)
        return True


class IngestPlugin(BasePlugin[BaseContext]):  # type: ignore[misc]
    """Hands on what the broker accepted; status and info are what it retains."""

    @dataclass
    class Config:
        commits: CommitQueue

    async def on_broker_message_broadcast(
        self, *, client_id: str, message: ApplicationMessage
    ) -> None:
        if not message.topic.endswith(_RETAINED):
            self.config.commits.add(message.topic, bytes(message.data or b""))

    async def on_broker_retained_message(
        self, *, client_id: str | None, retained_message: RetainedApplicationMessage
    ) -> None:
        # With a client, it is an old message for a new subscriber.
        if client_id is None and retained_message.topic.endswith(_RETAINED):
            self.config.commits.add(retained_message.topic, bytes(retained_message.data or b""))


class _Awaited(IncomingApplicationMessage):  # type: ignore[misc]
    """A message whose sender waits until it is in the store."""

    def __init__(self, message: IncomingApplicationMessage) -> None:
        super().__init__(
            message.packet_id, message.topic, message.qos, message.data, message.retain
        )
        self.publish_packet = message.publish_packet
        self.taken = asyncio.Event()


class _WritingHandler(BrokerProtocolHandler):  # type: ignore[misc]
    """Acknowledges a message at QoS 1 when the store has it, and not when it is queued.

    Who keeps a message until then, as the boards do, loses nothing to a killed hub.
    """

    written: Callable[[], Awaitable[None]]

    async def _handle_qos1_message_flow(
        self, app_message: OutgoingApplicationMessage | IncomingApplicationMessage
    ) -> None:
        if app_message.direction != INCOMING:
            await super()._handle_qos1_message_flow(app_message)
            return
        message = _Awaited(app_message)
        await self.session.delivered_message_queue.put(message)
        await message.taken.wait()
        await self.written()
        # The connection may have ended meanwhile.
        with contextlib.suppress(ProtocolHandlerError):
            await self._send_packet(PubackPacket.build(message.packet_id))


class _Subscriptions(dict[str, list[tuple[Session, int]]]):
    """Whoever goes through them waits in between, and meanwhile others come and go.

    amqtt would throw away the message that it is about to hand out.
    """

    def __iter__(self) -> Iterator[str]:
        return iter(list(super().__iter__()))

    def items(self) -> Any:
        return [(topic, list(subscribers)) for topic, subscribers in super().items()]


class KeepingBroker(Broker):  # type: ignore[misc]
    """amqtt, but what it has acknowledged is kept, also when the connection ends at once.

    It queues what a client publishes, and at the end of the connection throws the queue away.
    """

    def __init__(
        self, config: BrokerConfig, written: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """`written` returns when all that came is in the store; None where there is no store."""
        super().__init__(config)
        self._written = written
        self._subscriptions = _Subscriptions()

    async def _initialize_client_session(
        self, *connection: Any
    ) -> tuple[BrokerProtocolHandler, Session]:
        handler, session = await super()._initialize_client_session(*connection)
        if self._written:
            # The one that amqtt made has done nothing yet.
            handler = _WritingHandler(self.plugins_manager)
            handler.written = self._written
        return handler, session

    async def _handle_message_delivery(
        self, session: Session, handler: BrokerProtocolHandler, waiter: asyncio.Future[Any]
    ) -> bool:
        try:
            return bool(await super()._handle_message_delivery(session, handler, waiter))
        finally:
            # Whom amqtt tells of it, the ingest among them, it told in tasks that run before.
            message = waiter.result()
            if isinstance(message, _Awaited):
                message.taken.set()

    async def _handle_disconnect(
        self, session: Session, handler: BrokerProtocolHandler, waiter: asyncio.Future[Any]
    ) -> None:
        # Before the last will: what was said comes first.
        await self._take_the_rest(session, handler)
        await super()._handle_disconnect(session, handler, waiter)

    async def _client_message_loop(self, session: Session, handler: BrokerProtocolHandler) -> None:
        await super()._client_message_loop(session, handler)
        await self._take_the_rest(session, handler)

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        # amqtt would tell who connects what anybody else has subscribed to.
        subscribers = self._subscriptions.get(subscription[0], ())
        if any(one.client_id == session.client_id for one, _ in subscribers):
            await super()._publish_retained_messages_for_subscription(subscription, session)

    async def _cleanup_session(self, client_id: str) -> None:
        session, handler = self._sessions.get(client_id, (None, None))
        if session and handler:
            # From here on nothing more is acknowledged.
            await self._stop_handler(handler)
            await self._take_the_rest(session, handler)
        await super()._cleanup_session(client_id)

    async def _take_the_rest(self, session: Session, handler: BrokerProtocolHandler) -> None:
        queue = session.delivered_message_queue
        while not queue.empty():
            message = asyncio.get_running_loop().create_future()
            message.set_result(queue.get_nowait())
            await self._handle_message_delivery(session, handler, message)


def make(
    host: str, port: int, accounts: Accounts, commits: CommitQueue, keep_alive: KeepAlive
) -> Broker:
    """A broker on `host`:`port`, not started yet."""
    here = __name__
    # Its own log is for its developers; what users need to know we say.
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="amqtt")
    config = BrokerConfig(
        listeners={"default": ListenerConfig(bind=f"{host}:{port}")},
        plugins={
            f"{here}.LoginPlugin": {"accounts": accounts, "anonymous": is_loopback(host)},
            f"{here}.RightsPlugin": {},
            f"{here}.IngestPlugin": {"commits": commits},
            f"{KeepAlivePlugin.__module__}.KeepAlivePlugin": {"keep_alive": keep_alive},
        },
    )
    return KeepingBroker(config, commits.written)
