"""From messages to rows: readings, backfill, status and info, committed batch by batch.

This is the durable half of the broker's backend: a message is acknowledged when `commit` has
returned, and `commit` returns when the message is in the store, or was refused for what it says.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from mote import contract

from motekit import payloads
from motekit.broker.backend import Batch, Change, CommitError, Message, SavedState
from motekit.hub import session_store
from motekit.hub.store import Contents, Device, Reading, Store, StoreError
from motekit.limited_log import LimitedLog
from motekit.payloads import PayloadError

LOGGER = logging.getLogger(__name__)
# Topics are kept parsed; so many are more than a hub of this kind has series.
_TOPICS_MAX = 100_000
ApplyChanges = Callable[[sqlite3.Connection, Sequence[Change]], None]


@dataclass(frozen=True)
class Commit:
    """What became durable together: readings, and devices whose status or info changed."""

    readings: list[Reading]
    devices: list[Device]


@dataclass(frozen=True)
class StorageState:
    """Whether readings can be stored; `problem` says why not and what to do, since `since_ns`.

    `waiting` is the number of messages that the hub holds meanwhile; all others wait on the boards.
    """

    problem: str = ""
    since_ns: int = 0
    waiting: int = 0

    @property
    def ok(self) -> bool:
        return not self.problem

    @property
    def text(self) -> str:
        """A sentence for people, empty while all is well."""
        if self.ok:
            return ""
        since = time.strftime("%H:%M", time.localtime(self.since_ns / 1e9))
        return (
            f"Nothing can be stored since {since}: {self.problem}. Readings wait on the boards "
            "until then; nothing is lost"
        )


@dataclass(slots=True)
class _Parsed:
    """A batch, read: what is to be stored, and what to tell when it is."""

    contents: Contents = field(default_factory=Contents)
    refused: list[tuple[str, str, bytes]] = field(default_factory=list)
    answers: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


class Ingest:
    """Stores batches of messages, and tells listeners about each after it is durable.

    Listeners are called in the event loop. An exception in one is logged and stops nothing.
    """

    def __init__(self, store: Store, apply_changes: ApplyChanges = session_store.apply) -> None:
        """`apply_changes` writes the broker's own state, in the transaction of the batch."""
        self._store = store
        self._apply_changes = apply_changes
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="hub-store")
        # Topic of a reading -> (device, metric), or None for a topic that is none.
        self._topics: dict[str, tuple[str, str] | None] = {}
        self._log = LimitedLog(LOGGER)
        self.refused = 0
        self.accepted = 0
        self.storage = StorageState()
        self.commit_listeners: list[Callable[[Commit], None]] = []
        self.storage_listeners: list[Callable[[StorageState], None]] = []
        # Told the name of a device each time it says that it is online, and whether it was not.
        self.arrivals: list[Callable[[str, bool], None]] = []
        # Told each answer of a device to a command.
        self.answers: list[Callable[[str, dict[str, Any]], None]] = []

    def load(self) -> SavedState:
        """Return the broker's own state as it was committed. Raises StoreError."""
        return self._store.read(session_store.load)

    async def commit(self, batch: Batch) -> None:
        """Store `batch`; one call at a time. Raises CommitError, with nothing stored.

        The event loop goes on meanwhile: parsing and SQL run in a thread.
        """
        loop = asyncio.get_running_loop()
        try:
            parsed, changed = await loop.run_in_executor(self._writer, self._store_batch, batch)
        except StoreError as error:
            self._cannot_store(str(error), len(batch.messages))
            raise CommitError(str(error)) from error
        except Exception as error:
            LOGGER.exception("A batch of %d messages was not stored", len(batch.messages))
            self._cannot_store(f"unexpected error: {error!r}", len(batch.messages))
            raise CommitError(str(error)) from error
        self._can_store()
        self._count(parsed)
        self._tell(parsed, changed)

    def close(self) -> None:
        """End the writer's thread."""
        self._writer.shutdown()

    def _store_batch(self, batch: Batch) -> tuple[_Parsed, list[Device]]:
        """In the writer's thread. Raises StoreError."""
        now_ns = time.time_ns()
        if now_ns < payloads.EARLIEST_NS:
            raise StoreError(
                f"the clock of this computer says {time.strftime('%Y-%m-%d')}: set the time, or "
                "wait until it has come over the network"
            )
        parsed = self._parse(batch.messages, now_ns)
        apply, changes = self._apply_changes, batch.changes
        try:
            changed = self._store.commit(
                parsed.contents, (lambda db: apply(db, changes)) if changes else None
            )
        except StoreError:
            raise
        except Exception:
            LOGGER.exception("A batch cannot be stored as it is; its messages are stored singly")
            return self._store_singly(batch, now_ns)
        return parsed, changed

    def _store_singly(self, batch: Batch, now_ns: int) -> tuple[_Parsed, list[Device]]:
        """Store what can be stored: what cannot is refused and stops nothing else."""
        done = _Parsed()
        changed: dict[str, Device] = {}
        for message in batch.messages:
            parsed = self._parse([message], now_ns)
            try:
                changed |= {one.id: one for one in self._store.commit(parsed.contents)}
            except StoreError:
                raise
            except Exception as error:
                reason = f"cannot be stored: {error!r}"
                done.refused.append((reason, message.topic, message.payload))
                continue
            done.contents.readings += parsed.contents.readings
            done.contents.statuses += parsed.contents.statuses
            done.refused += parsed.refused
            done.answers += parsed.answers
        for change in batch.changes:
            self._apply_singly(self._apply_changes, change)
        return done, list(changed.values())

    def _apply_singly(self, apply: ApplyChanges, change: Change) -> None:
        try:
            self._store.commit(Contents(), lambda db: apply(db, [change]))
        except StoreError:
            raise
        except Exception:
            LOGGER.exception("A change of the broker's state is not stored: %.200r", change)

    def _parse(self, messages: Sequence[Message], now_ns: int) -> _Parsed:
        parsed = _Parsed()
        readings = parsed.contents.readings
        for message in messages:
            topic, payload = message.topic, message.payload
            try:
                if topic.startswith("sensors/"):
                    device, metric = self._series(topic)
                    time_ns = message.time_ns
                    if time_ns < payloads.EARLIEST_NS:
                        # It came before this computer knew the time.
                        time_ns = now_ns
                    value = payloads.parse_value(payload.strip())
                    readings.append(Reading(device, metric, time_ns, value))
                elif topic.startswith("backfill/"):
                    self._parse_backfill(parsed, topic, payload, now_ns)
                elif topic.startswith("devices/"):
                    self._parse_device(parsed, message, now_ns)
            except PayloadError as error:
                parsed.refused.append((str(error), topic, payload))
        return parsed

    def _series(self, topic: str) -> tuple[str, str]:
        """Raises PayloadError for a topic that is not `sensors/<id>/<metric>`."""
        if topic not in self._topics:
            if len(self._topics) >= _TOPICS_MAX:
                self._topics.clear()
            levels = topic.split("/")
            named = len(levels) == 3 and contract.is_device_id(levels[1])
            series = (levels[1], levels[2]) if named and contract.is_metric(levels[2]) else None
            self._topics[topic] = series
        found = self._topics[topic]
        if found is None:
            raise PayloadError("not the topic of a reading")
        return found

    def _parse_backfill(self, parsed: _Parsed, topic: str, payload: bytes, now_ns: int) -> None:
        device = topic.removeprefix("backfill/")
        if not contract.is_device_id(device):
            raise PayloadError("not the topic of a device")
        for line in payload.splitlines():
            try:
                metric, time_ns, value = payloads.parse_backfill_line(device, line, now_ns)
            except PayloadError as error:
                parsed.refused.append((str(error), topic, line))
            else:
                parsed.contents.readings.append(Reading(device, metric, time_ns, value))

    def _parse_device(self, parsed: _Parsed, message: Message, now_ns: int) -> None:
        levels = message.topic.split("/")
        # An empty payload takes a retained message away and says nothing.
        if len(levels) != 3 or not message.payload:
            return
        _, device, leaf = levels
        if leaf not in ("status", "info", "reply"):
            return
        if not contract.is_device_id(device):
            raise PayloadError("not the topic of a device")
        if leaf == "status":
            if len(message.payload) > contract.ID_MAX or not message.payload.isalpha():
                raise PayloadError("not a status")
            online = message.payload == contract.ONLINE.encode()
            parsed.contents.statuses.append((device, online, message.time_ns or now_ns))
        elif leaf == "info":
            info = payloads.parse_json_object(message.payload)
            # ASCII, so that no reader has to know how the text is encoded.
            parsed.contents.infos.append((device, payloads.to_json(info)))
        elif self.answers:
            parsed.answers.append((device, payloads.parse_json_object(message.payload)))

    def _count(self, parsed: _Parsed) -> None:
        self.accepted += len(parsed.contents.readings)
        self.refused += len(parsed.refused)
        for reason, topic, payload in parsed.refused:
            self._log.log(
                logging.WARNING, "refused", "Payload refused on %.120r: %s: %.60r",
                topic, reason, payload[:60],
            )  # fmt: skip

    def _tell(self, parsed: _Parsed, changed: list[Device]) -> None:
        if parsed.contents.readings or changed:
            commit = Commit(parsed.contents.readings, changed)
            for on_commit in self.commit_listeners:
                _call(on_commit, commit)
        came = {device.id for device in changed}
        for name, online, _ in parsed.contents.statuses:
            for on_arrival in self.arrivals if online else ():
                _call(on_arrival, name, name in came)
        for name, answer in parsed.answers:
            for on_answer in self.answers:
                _call(on_answer, name, answer)

    def _cannot_store(self, problem: str, waiting: int) -> None:
        since_ns = self.storage.since_ns or time.time_ns()
        self.storage = StorageState(problem, since_ns, waiting)
        self._log.log(
            logging.ERROR, "storage",
            "Nothing can be stored: %s. Until then nothing is acknowledged, and readings wait on "
            "the boards; the hub tries again by itself", problem,
        )  # fmt: skip
        for listener in self.storage_listeners:
            _call(listener, self.storage)

    def _can_store(self) -> None:
        if self.storage.ok:
            return
        seconds = (time.time_ns() - self.storage.since_ns) / 1e9
        LOGGER.warning("Readings are stored again, after %.0f s", seconds)
        self._log.forget("storage")
        self.storage = StorageState()
        for listener in self.storage_listeners:
            _call(listener, self.storage)


def _call(listener: Callable[..., None], *values: object) -> None:
    try:
        listener(*values)
    except Exception:
        LOGGER.exception("A listener of the hub failed")
