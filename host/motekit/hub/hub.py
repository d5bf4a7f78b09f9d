"""The hub as one thing that starts and stops."""

import asyncio
import contextlib
import errno
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from mote import contract

from motekit.broker.server import Server
from motekit.credentials import AccountError
from motekit.hub.accounts import Accounts
from motekit.hub.backup import BackupError, finish_restore
from motekit.hub.broker import HubBackend
from motekit.hub.dashboard.process import DashboardError, DashboardProcess, Settings
from motekit.hub.folder_lock import FolderInUseError, FolderLock
from motekit.hub.ingest import Commit, Ingest
from motekit.hub.listening import ListenError, is_any, is_loopback, join, listen
from motekit.hub.refill import Refill
from motekit.hub.store import Store, StoreError
from motekit.supervision import Supervisor

if TYPE_CHECKING:
    from motekit.hub.announce import Announcement

STOP_S = 2.0


class HubError(Exception):
    """The hub cannot start; the text says what to do."""


class Hub:
    """Broker and dashboard on the given addresses, with everything they keep in folder `data`.

    A port of 0 takes a free one; `mqtt_port` and `http_port` hold the real ones after `start`. With
    `http_port` None there is no dashboard.
    """

    def __init__(
        self,
        data: Path,
        mqtt_host: str = "127.0.0.1",
        mqtt_port: int = contract.MQTT_PORT,
        http_host: str = "127.0.0.1",
        http_port: int | None = 8080,
    ) -> None:
        self.data = data
        self.mqtt_host, self.mqtt_port = mqtt_host, mqtt_port
        self.http_host, self.http_port = http_host, http_port
        self._lock = FolderLock(data)
        try:
            finish_restore(data)
            self.accounts = Accounts(data)
            self.store = Store(data / "readings.db")
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
        return f"http://{join(host, self.http_port or 0)}/"

    async def start(self) -> None:
        """Start everything. Raises HubError, with nothing left running, when it cannot."""
        try:
            self._lock.acquire()
            await self._start()
        except (FolderInUseError, ListenError, StoreError, DashboardError) as error:
            await self.stop()
            raise HubError(str(error)) from error
        except OSError as error:
            await self.stop()
            raise HubError(_unusable(self.data, error)) from error

    async def _start(self) -> None:
        # Heavy imports wait until something is really started.
        from motekit.hub import announce

        listener = listen(self.mqtt_host, self.mqtt_port, "MQTT", "--mqtt-port", "--mqtt-host")
        self.mqtt_port = int(listener.getsockname()[1])
        anonymous = is_loopback(self.mqtt_host)
        backend = HubBackend(self.accounts, self.ingest, anonymous=anonymous)
        self._broker = Server(backend, [listener])
        if self.http_port is not None:
            self._dashboard = self._new_dashboard(self.http_host, self.http_port)
        await asyncio.to_thread(self.store.mark_all_offline)
        last_ns = await asyncio.to_thread(self.store.last_by_device)
        refill = Refill(last_ns, self._say)
        self.ingest.arrivals.append(refill.came_online)
        self.ingest.answers.append(refill.answered)
        await self._broker.start()
        if not anonymous:
            self._announcement = announce.Announcement(self.mqtt_port)
            if not await self._announcement.start():
                self._tasks.keep("Announcing the hub", self._announcement.keep_trying)
        if self._dashboard:
            await self._dashboard.start()

    def _new_dashboard(self, host: str, port: int) -> DashboardProcess:
        listener = listen(host, port, "dashboard", "--port", "--dashboard-host")
        self.http_port = int(listener.getsockname()[1])
        dashboard = DashboardProcess(
            listener,
            Settings(
                data=str(self.data),
                http_host=host,
                http_port=self.http_port,
                mqtt_host=self.mqtt_host,
                mqtt_port=self.mqtt_port,
                listener=listener.fileno(),
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
