"""Ends the connections of clients that fell silent, so that their last will is published.

MQTT 3.1.1, 3.1.2.10: after one and a half keep-alives without a packet the server closes the
connection. amqtt 0.12 notices the silence and does nothing.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from amqtt.broker import Broker
from amqtt.contexts import BaseContext
from amqtt.plugins.base import BasePlugin
from amqtt.session import Session

LOOK_EVERY_S = 1.0
PATIENCE = 1.5


class KeepAlive:
    """When each client was heard last (monotonic seconds)."""

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self, broker: Broker) -> None:
        self._task = asyncio.create_task(self._watch(broker))

    def stop(self) -> None:
        if self._task:
            self._task.cancel()

    def heard(self, session: Session) -> None:
        self._heard[session.client_id] = time.monotonic()

    async def _watch(self, broker: Broker) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            for client, (session, handler) in list(broker.sessions.items()):
                if not session.transitions.is_connected():
                    self._heard.pop(client, None)
                    continue
                silent_s = now - self._heard.setdefault(client, now)
                if session.keep_alive and silent_s > session.keep_alive * PATIENCE:
                    await handler.handle_connection_closed()


class KeepAlivePlugin(BasePlugin[BaseContext]):  # type: ignore[misc]
    """Tells every packet that comes in."""

    @dataclass
    class Config:
        keep_alive: KeepAlive

    async def on_mqtt_packet_received(self, *, packet: Any, session: Session | None = None) -> None:
        if session is not None and session.client_id:
            self.config.keep_alive.heard(session)
