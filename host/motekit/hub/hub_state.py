"""What a running hub says of itself to other commands of this computer, in a file of its folder.

Only its owner can read and write the folder, and the hub's lock proves that the process which wrote
the file still runs: whoever listens on one of the named ports now is that hub, and nobody else.
"""

import contextlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from motekit import payloads, private_files
from motekit.hub import folder_lock
from motekit.payloads import PayloadError

NAME = "hub.state"
_FILE_MAX = 2**16


@dataclass(frozen=True)
class HubState:
    """Where a hub listens, and what it has counted. Ports are 0 and texts empty for nothing there.

    `mqtt_host` and `mqtt_port` are those without TLS. `dropped` counts messages by reason.
    """

    pid: int
    mqtt_host: str
    mqtt_port: int
    tls_port: int = 0
    dashboard: str = ""
    # A file with the certificate of the hub's own authority.
    ca: str = ""
    # Unix time at which the server's certificate ends.
    certificate_ends: float = 0.0
    # What others in the network can read, in words.
    exposed: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)


def write(folder: Path, state: HubState) -> None:
    """Keep `state` in `folder`; on a full disk the one before it stays."""
    with contextlib.suppress(OSError):
        private_files.write(folder / NAME, json.dumps(asdict(state), indent=1))


def last(folder: Path) -> HubState | None:
    """Return what the last hub on `folder` said, whether it runs or not."""
    try:
        said = payloads.parse_json_object((folder / NAME).read_bytes(), _FILE_MAX)
        known = {one.name for one in fields(HubState)}
        return HubState(**{name: value for name, value in said.items() if name in known})
    except (OSError, PayloadError, TypeError):
        return None


def running(folder: Path) -> HubState | None:
    """Return what the hub that runs on `folder` now says of itself, None if there is none."""
    state = last(folder)
    return state if state and folder_lock.holder(folder) == state.pid else None
