"""Move the sessions of Telegraf at the broker to client ids that nobody else can know.

An installation of an earlier version has client ids without a suffix (docs/decisions/0002), and its
owner, or a service that was taken over, can end the session that holds the readings which wait.
"""

import secrets
import threading
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import paho.mqtt.client as mqtt

from motekit.stack import broker
from motekit.stack.broker import BrokerError
from motekit.stack.compose import StackError
from motekit.stack.installation import DOCKER, Installation

SUFFIX = "MOTE_CLIENT_ID_SUFFIX"
# Set while messages may be left in the sessions without a suffix.
LEFT = "MOTE_CLIENT_IDS_LEFT"
_ANSWER_S = 30.0
# A session that has been silent for so long is empty: the broker sends all that waits at once.
_QUIET_S = 2.0
_USER = "telegraf"


class ComposeLike(Protocol):
    """What the move needs of Docker Compose."""

    def halt(self, service: str) -> None: ...
    def resume(self, service: str) -> None: ...


@dataclass(frozen=True)
class Session:
    """A persistent session of Telegraf: its client id without suffix, and what it reads."""

    client_id: str
    topics: tuple[str, ...]

    @property
    def has_readings(self) -> bool:
        """Whether its messages are all needed: a state is replaced by the retained one."""
        return not any(topic.startswith("devices/") for topic in self.topics)


def sessions() -> list[Session]:
    """Return the persistent sessions, as telegraf.conf has them."""
    text = (DOCKER / "telegraf" / "telegraf.conf").read_text(encoding="utf-8")
    inputs = tomllib.loads(text)["inputs"]["mqtt_consumer"]
    return [
        Session(one["client_id"].partition("$")[0], tuple(one["topics"]))
        for one in inputs
        if one.get("persistent_session")
    ]


def is_needed(installation: Installation) -> bool:
    """Whether the sessions have no suffix yet, or messages may be left in those without."""
    settings = installation.settings()
    return not settings.get(SUFFIX) or bool(settings.get(LEFT))


def move(installation: Installation, compose: ComposeLike, tell: Callable[[str], None]) -> int:
    """Let new sessions take what comes from now on, and move what waits in the old ones.

    Telegraf stands still meanwhile, and starts with the new client ids afterwards. Broken off at
    any moment, it can be done again. Returns how many readings were moved. Raises StackError.
    """
    tell("client ids: Telegraf stops")
    compose.halt(_USER)
    try:
        if not installation.settings().get(SUFFIX):
            _begin(installation)
        tell("client ids: moving what waits")
        moved = sum(_empty(installation, session) for session in sessions())
        installation.unset(LEFT)
    except (BrokerError, OSError) as error:
        # With the new ones it starts with `mote stack up`; as it was made, it has the old ones.
        if not installation.settings().get(SUFFIX):
            compose.resume(_USER)
        raise StackError(
            f"the client ids of the services could not be changed: {error}. Nothing is lost; "
            "`mote stack doctor` says what to mend, then run `mote stack upgrade` again, or "
            "`mote stack up` to let Telegraf go on until then"
        ) from error
    return moved


def _begin(installation: Installation) -> None:
    """Make the new sessions, and let the old ones take nothing more."""
    suffix = f"-{secrets.token_hex(16)}"
    for session in sessions():
        # A message in between is in both, and stored twice rather than lost.
        with _Connection(installation, session.client_id + suffix) as new:
            new.subscribe(session.topics)
        with _Connection(installation, session.client_id) as old:
            old.unsubscribe(session.topics)
    # From here on Telegraf takes the new ones, whatever happens.
    installation.set(LEFT, "yes")
    installation.set(SUFFIX, suffix)


def _empty(installation: Installation, session: Session) -> int:
    """Publish the readings of an old session once more, then end it; return how many."""
    with (
        _Connection(installation, session.client_id) as old,
        _Connection(installation, "", "owner") as owner,
    ):
        old.unsubscribe(session.topics)
        count = 0
        while message := old.next(_QUIET_S):
            if session.has_readings:
                owner.publish(message)
                count += 1
            # Only now: what was not published waits on.
            old.acknowledge(message)
    with _Connection(installation, session.client_id, keep=False):
        return count


class _Connection:
    """A connection to the broker whose every step is awaited. Raises BrokerError, OSError."""

    def __init__(
        self, installation: Installation, client_id: str, user: str = _USER, keep: bool = True
    ) -> None:
        secret = installation.secrets / user / "mqtt_password"
        self._client = broker.client(
            installation, user, secret.read_text(encoding="utf-8"), client_id, keep
        )
        self._client.manual_ack_set(True)
        self._port = installation.tls_port
        self._arrived = threading.Condition()
        self._messages: list[mqtt.MQTTMessage] = []
        self._answers: list[str] = []
        self._client.on_message = self._heard
        self._client.on_connect = lambda _c, _d, _f, code, _p: self._answered(str(code))
        self._client.on_subscribe = lambda *_details: self._answered("Success")
        self._client.on_unsubscribe = lambda *_details: self._answered("Success")

    def __enter__(self) -> "_Connection":
        self._client.connect(broker.HOST, self._port)
        self._client.loop_start()
        self._wait("log in")
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def subscribe(self, topics: tuple[str, ...]) -> None:
        self._client.subscribe([(one, 1) for one in topics])
        self._wait("subscribe")

    def unsubscribe(self, topics: tuple[str, ...]) -> None:
        self._client.unsubscribe(list(topics))
        self._wait("unsubscribe")

    def next(self, seconds: float) -> mqtt.MQTTMessage | None:
        """Return the next message, None when none came for `seconds`."""
        with self._arrived:
            self._arrived.wait_for(lambda: bool(self._messages), seconds)
            return self._messages.pop(0) if self._messages else None

    def acknowledge(self, message: mqtt.MQTTMessage) -> None:
        self._client.ack(message.mid, message.qos)

    def publish(self, message: mqtt.MQTTMessage) -> None:
        sent = self._client.publish(message.topic, message.payload, qos=1)
        try:
            sent.wait_for_publish(_ANSWER_S)
        except (RuntimeError, ValueError) as error:
            raise BrokerError(str(error)) from error
        if not sent.is_published():
            raise BrokerError("the broker does not take readings")

    def _heard(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        with self._arrived:
            self._messages.append(message)
            self._arrived.notify_all()

    def _answered(self, text: str) -> None:
        with self._arrived:
            self._answers.append(text)
            self._arrived.notify_all()

    def _wait(self, what: str) -> None:
        with self._arrived:
            self._arrived.wait_for(lambda: bool(self._answers), _ANSWER_S)
            answer: Any = self._answers.pop(0) if self._answers else "no answer"
        if answer != "Success":
            raise BrokerError(f"cannot {what} at the broker as {_USER}: {answer}")
