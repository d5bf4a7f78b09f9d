"""The hub as one thing that starts and stops."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mote import contract

from motekit.broker.server import Server
from motekit.credentials import AccountError
from motekit.hub import data_folder, dropped, hub_state
from motekit.hub.accounts import Accounts
from motekit.hub.backup import BackupError, finish_restore
from motekit.hub.broker import HubBackend
from motekit.hub.dashboard.process import DashboardError, DashboardProcess, Settings
from motekit.hub.folder_lock import FolderInUseError, FolderLock
from motekit.hub.hub_state import HubState
from motekit.hub.ingest import Commit, Ingest
from motekit.hub.listening import ListenError, is_any, is_loopback, join, listen
from motekit.hub.refill import Refill
from motekit.hub.store import Store, StoreError
from motekit.hub.store_errors import StoreLockedError
from motekit.hub.tls import HubCertificate, TlsError, TlsOptions
from motekit.limited_log import LimitedLog
from motekit.supervision import Supervisor

if TYPE_CHECKING:
    from motekit.hub.announce import Announcement

LOGGER = logging.getLogger(__name__)
_LOCK_LOG = LimitedLog(LOGGER)
T = TypeVar("T")
LOOPBACK = "127.0.0.1"
STOP_S = 2.0
# While another program has locked the store.
LOCKED_S = 0.5
COUNT_EVERY_S = 2.0
CERTIFICATE_EVERY_S = 3_600.0


class HubError(Exception):
    """The hub cannot start; the text says what to do."""


class Hub:
    """Broker and dashboard on the given addresses, with everything they keep in folder `data`.

    A port of 0 takes a free one; `mqtt_port`, `tls_port` and `http_port` hold the real ones after
    `start`. With `http_port` None there is no dashboard. With `tls`, boards and browsers on other
    computers reach the hub with TLS; without it, `mqtt_port` is for this computer only, unless
    the options say otherwise. The dashboard also answers to the names in `allowed_hosts`.
    """

    def __init__(
        self,
        data: Path,
        mqtt_host: str = "127.0.0.1",
        mqtt_port: int = contract.MQTT_PORT,
        http_host: str = "127.0.0.1",
        http_port: int | None = 8080,
        tls: TlsOptions | None = None,
        allowed_hosts: Sequence[str] = (),
    ) -> None:
        self.data = data
        self.tls_port: int | None = tls.port if tls else None
        self._tls = tls
        self._certificate: HubCertificate | None = None
        self._allowed_hosts = allowed_hosts
        self._state: HubState | None = None
        self.mqtt_host, self.mqtt_port = mqtt_host, mqtt_port
        self.http_host, self.http_port = http_host, http_port
        self._lock = FolderLock(data)
        try:
            finish_restore(data)
            data_folder.close_to_others(data)
            self.accounts = Accounts(data)
            self.store = _when_unlocked(lambda: Store(data / data_folder.STORE))
        except (AccountError, BackupError, StoreError) as error:
            raise HubError(str(error)) from error
        except OSError as error:
            raise HubError(_unusable(data, error)) from error
        self.ingest = Ingest(self.store)
        self._tasks = Supervisor()
        self._broker: Server | None = None
        self._dashboard: DashboardProcess | None = None
        self._announcement: Announcement | None = None

    @property
    def dashboard_url(self) -> str:
        host = socket.gethostname() if is_any(self.http_host) else self.http_host
        scheme = "https" if self.has_https else "http"
        return f"{scheme}://{join(host, self.http_port or 0)}/"

    @property
    def has_https(self) -> bool:
        """Whether the dashboard is served with TLS: where other computers reach it."""
        return self._tls is not None and not is_loopback(self.http_host)

    @property
    def authority(self) -> Path | None:
        """The certificate that boards and browsers need to trust this hub, None without TLS."""
        return self._certificate.authority if self._certificate else None

    @property
    def plain_host(self) -> str:
        """The address where the broker speaks without TLS."""
        if self._tls is None or self._tls.also_plain:
            return self.mqtt_host
        return LOOPBACK

    @property
    def exposed(self) -> list[str]:
        """What others in the network can read of what goes to and from this hub."""
        found = []
        if not is_loopback(self.plain_host):
            found.append("the passwords of boards, their readings and commands")
        if self.http_port is not None and not is_loopback(self.http_host) and not self.has_https:
            found.append("the passwords and the pages of the dashboard")
        return found

    async def start(self) -> None:
        """Start everything. Raises HubError, with nothing left running, when it cannot."""
        try:
            self._lock.acquire()
            await self._start()
        except (FolderInUseError, ListenError, StoreError, DashboardError, TlsError) as error:
            await self.stop()
            raise HubError(str(error)) from error
        except OSError as error:
            await self.stop()
            raise HubError(_unusable(self.data, error)) from error

    async def _start(self) -> None:
        # Heavy imports wait until something is really started.
        from motekit.hub import announce

        anonymous = is_loopback(self.mqtt_host)
        self._broker = self._new_broker(anonymous)
        if self.http_port is not None:
            self._dashboard = self._new_dashboard(self.http_host, self.http_port)
        await _unlocked(self.store.mark_all_offline)
        last_ns = await _unlocked(self.store.last_by_device)
        refill = Refill(last_ns, self._say)
        self.ingest.arrivals.append(refill.came_online)
        self.ingest.answers.append(refill.answered)
        while True:
            try:
                await self._broker.start()
                break
            except StoreLockedError as error:
                await _wait_for_lock(error)
        if not anonymous:
            self._announcement = announce.Announcement(
                self.mqtt_port, self.tls_port, plain=not is_loopback(self.plain_host)
            )
            if not await self._announcement.start():
                self._tasks.keep("Announcing the hub", self._announcement.keep_trying)
        if self._dashboard:
            await self._dashboard.start()
        self._state = self._new_state()
        await asyncio.to_thread(hub_state.write, self.data, self._state)
        self._tasks.keep("counting what is dropped", self._report)
        if self._certificate:
            self._tasks.keep("the renewal of the certificate", self._renew_certificate)

    def _new_broker(self, anonymous: bool) -> Server:
        backend = HubBackend(self.accounts, self.ingest, anonymous=anonymous)
        names = "--mqtt-port", "--mqtt-host"
        listener = listen(self.plain_host, self.mqtt_port, "MQTT", *names)
        self.mqtt_port = int(listener.getsockname()[1])
        if self._tls is None:
            return Server(backend, [listener])
        try:
            self._certificate = HubCertificate(self.data, self._tls, self.mqtt_host)
            names = "--tls-port", "--mqtt-host"
            secure = listen(self.mqtt_host, self._tls.port, "MQTT with TLS", *names)
        except BaseException:
            listener.close()
            raise
        self.tls_port = int(secure.getsockname()[1])
        return Server(backend, [listener], secure=[(secure, self._certificate.context)])

    def _new_state(self) -> HubState:
        certificate = self._certificate
        return HubState(
            pid=os.getpid(),
            mqtt_host=self.plain_host,
            mqtt_port=self.mqtt_port,
            tls_port=self.tls_port or 0,
            dashboard=self.dashboard_url if self.http_port is not None else "",
            ca=str(self.authority or ""),
            certificate_ends=certificate.ends.timestamp() if certificate else 0.0,
            exposed=self.exposed,
        )

    @property
    def dropped(self) -> dict[str, int]:
        """How many messages clients did not get, by reason; empty for none."""
        if not self._broker:
            return {}
        counted = self._broker.broker.state.statistics
        return {name: counted[name] for name in dropped.REASONS if counted[name]}

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(COUNT_EVERY_S)
            assert self._state
            if self.dropped != self._state.dropped:
                self._state = replace(self._state, dropped=self.dropped)
                await asyncio.to_thread(hub_state.write, self.data, self._state)
            if self._dashboard:
                self._dashboard.dropped_changed(self._state.dropped)

    async def _renew_certificate(self) -> None:
        assert self._certificate and self._state
        while True:
            try:
                if warning := self._certificate.warning:
                    LOGGER.warning("Warning: %s", warning)
            except TlsError as error:
                LOGGER.error("%s", error)
            await asyncio.sleep(CERTIFICATE_EVERY_S)
            try:
                await asyncio.to_thread(self._certificate.refresh)
                self._certificate.reload()
                ends = self._certificate.ends.timestamp()
            except TlsError as error:
                LOGGER.error("%s", error)
                continue
            if ends != self._state.certificate_ends:
                self._state = replace(self._state, certificate_ends=ends)
                await asyncio.to_thread(hub_state.write, self.data, self._state)

    def _new_dashboard(self, host: str, port: int) -> DashboardProcess:
        listener = listen(host, port, "dashboard", "--port", "--dashboard-host")
        self.http_port = int(listener.getsockname()[1])
        certificate = self._certificate if self.has_https else None
        dashboard = DashboardProcess(
            listener,
            Settings(
                data=str(self.data),
                http_host=host,
                http_port=self.http_port,
                mqtt_host=self.mqtt_host,
                mqtt_port=self.mqtt_port,
                listener=listener.fileno(),
                tls_port=self.tls_port or 0,
                has_plain_mqtt=not is_loopback(self.plain_host),
                allowed_hosts=list(self._allowed_hosts),
                certificate=str(certificate.certificate) if certificate else "",
                key=str(certificate.key) if certificate else "",
                ca=str(self.authority or ""),
            ),
        )

        def on_commit(commit: Commit) -> None:
            dashboard.readings_committed(commit.readings)
            for device in commit.devices:
                dashboard.device_changed(device)

        self.ingest.commit_listeners.append(on_commit)
        self.ingest.storage_listeners.append(lambda state: dashboard.storage_changed(state.text))
        return dashboard

    async def stop(self) -> None:
        """Stop everything; what was accepted is in the store."""
        if self._dashboard:
            await self._dashboard.stop()
        await self._tasks.stop()
        if self._announcement:
            with contextlib.suppress(asyncio.TimeoutError):
                await self._announcement.stop()
        if self._broker:
            await self._broker.stop()
        self.ingest.close()
        self.store.close()
        self._lock.release()

    def _say(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1, without waiting for anyone."""
        assert self._broker
        self._broker.publish(topic, payload, 1)


async def _unlocked(work: Callable[[], T]) -> T:
    """Return what `work` gives in a thread, again and again while the store is locked."""
    while True:
        try:
            return await asyncio.to_thread(work)
        except StoreLockedError as error:
            await _wait_for_lock(error)


def _when_unlocked(work: Callable[[], T]) -> T:
    while True:
        try:
            return work()
        except StoreLockedError as error:
            _log_lock(error)
            time.sleep(LOCKED_S)


async def _wait_for_lock(error: StoreLockedError) -> None:
    _log_lock(error)
    await asyncio.sleep(LOCKED_S)


def _log_lock(error: StoreLockedError) -> None:
    _LOCK_LOG.log(logging.WARNING, "locked", "The hub waits to start: %s", error)


def _unusable(data: Path, error: OSError) -> str:
    """Return what to do about a data folder that the system does not let us use."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f'the disk that holds "{data}" is full: make room there, and start again'
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return (
            f'the data folder "{data}" cannot be written ({error.strerror}): make it writable, or '
            "choose another one with --data"
        )
    where = f'"{error.filename}"' if error.filename else f'the data folder "{data}"'
    return f"{where} cannot be used: {error.strerror or error}; choose another with --data"
