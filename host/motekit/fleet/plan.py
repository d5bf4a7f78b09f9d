"""What a run is to be, and whether this machine can do it."""

import resource
from dataclasses import dataclass, field
from pathlib import Path

from mote import contract

from motekit import csv_files
from motekit.fleet.connection import Server

INTERVAL_S = 10.0
# What the process has open besides connections to the broker.
_OTHER_FILES = 64


class PlanError(Exception):
    """The run cannot be done as asked; the text says what to change."""


@dataclass(frozen=True)
class Plan:
    """A run: rates are publishes a second of the whole fleet, 0 for as many as the broker takes.

    `outages` and `churn` (leaving and coming back) are times per device and hour, each `away_s`
    long on average; `faults` is the part of the devices whose sensors are ill. With `connections`
    the devices share so many; otherwise each has its own and, given `accounts`, its own login.
    `seconds` 0 is without end.
    """

    server: Server
    devices: int = 100
    rate: float | None = None
    ramp_s: float = 0
    seconds: float = 0
    qos: int = 1
    seed: str = "0"
    prefix: str = "fleet"
    outages: float = 0
    churn: float = 0
    away_s: float = 30
    faults: float = 0
    connections: int = 0
    user: str = ""
    password: str = ""
    accounts: dict[str, str] = field(default_factory=dict)
    numbered: bool = False

    def __post_init__(self) -> None:
        if self.connections and self.accounts:
            raise PlanError(
                "a login belongs to one device: --accounts and --connections exclude each other"
            )
        if self.accounts and self.devices > len(self.accounts):
            raise PlanError(
                f"{self.devices} devices, but only {len(self.accounts)} accounts: "
                f"give --devices {len(self.accounts)} or add accounts"
            )
        if not contract.is_device_id(self.ids()[-1]):
            raise PlanError(
                f"{self.ids()[-1]!r} is no device id (1 to {contract.ID_MAX} of A-Z a-z 0-9 _ -): "
                "choose another --prefix"
            )

    def readings_per_s(self, series: int) -> float:
        """What is asked of a fleet with so many series."""
        return series / INTERVAL_S if self.rate is None else self.rate

    def ids(self) -> list[str]:
        """The devices, by their accounts or numbered."""
        if self.accounts:
            return list(self.accounts)[: self.devices]
        width = len(str(self.devices))
        return [f"{self.prefix}-{n:0{width}}" for n in range(1, self.devices + 1)]


def read_accounts(path: Path) -> dict[str, str]:
    """Device ids and passwords of a CSV file, `id,password` a line; a heading `id,…` is skipped.

    Raises PlanError naming the line that is wrong.
    """
    accounts: dict[str, str] = {}
    try:
        rows = csv_files.read(path, columns=2).rows
    except csv_files.CsvError as error:
        raise PlanError(str(error)) from error
    for number, row in enumerate(rows):
        name = row.fields[0].strip()
        if number == 0 and name == "id":
            continue
        if len(row.fields) != 2 or not contract.is_device_id(name) or name in accounts:
            # The rest of the line is a secret and is not shown.
            raise PlanError(
                f"{path}, line {row.line}: expected id,password with a device id that "
                f"was not there before, found {name[: contract.ID_MAX]!r}"
            )
        accounts[name] = row.fields[1]
    if not accounts:
        raise PlanError(f"{path} has no account: one id,password a line")
    return accounts


def allow_connections(count: int) -> None:
    """Raise this process's limit of open files to `count` connections. Raises PlanError."""
    needed = count + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < needed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, max(hard, needed)))
        except (ValueError, OSError) as error:
            raise PlanError(
                f"{count} connections need {needed} open files, and this shell allows {hard}: "
                f"raise it (ulimit -n {needed}), or share connections with --connections 100"
            ) from error
