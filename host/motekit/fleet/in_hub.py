"""What arrived in a hub of this machine: its store is read while the hub writes it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from motekit.fleet.device import Device
from motekit.fleet.verify import Stored, VerifyError
from motekit.hub.queries import StoreReader
from motekit.hub.store_errors import explain

PAGE = 50_000


class InHub:
    """The store in the hub's data folder."""

    def __init__(self, data: Path) -> None:
        self._path = data / "readings.db"
        self._store: StoreReader | None = None

    def check(self) -> None:
        """Raises VerifyError when there is no store in the folder."""
        self._open()

    def readings(self, devices: list[Device], since_s: float) -> Iterator[Stored]:
        """All readings of these devices from `since_s` on. Raises VerifyError."""
        store = self._open()
        for device in devices:
            for metric in device.metrics:
                since_ns = int(since_s * 1e9)
                while page := store.readings(device.id, metric, since_ns, PAGE):
                    for one in page:
                        yield Stored(one.device, one.metric, one.time_ns / 1e9, one.value)
                    since_ns = page[-1].time_ns + 1

    def _open(self) -> StoreReader:
        # A store that is not there would be made, and an empty one tells nothing.
        if not self._path.is_file():
            raise VerifyError(
                f"there is no hub's store at {self._path}: start `mote hub` on this machine, "
                "or name its data folder with --data"
            )
        if self._store is None:
            self._store = StoreReader(self._path)
            try:
                self._store.devices()
            except sqlite3.Error as error:
                raise VerifyError(explain(error, self._path)) from error
        return self._store
