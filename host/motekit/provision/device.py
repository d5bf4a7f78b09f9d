"""A board at its USB cable: what it is, and a new configuration for it."""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mote.update import versions

from motekit import config, payloads
from motekit.firmware import factory
from motekit.serial import remote

# The oldest firmware whose `config.save` is what is called here.
OLDEST = "0.1.0"
BOOT_S = 30
# Within so many seconds a board that restarts says its first line.
BEGIN_S = 3
# As `firmware/mote/config.py` names it; on a board its constants have no names.
CONFIG = "/config.json"

# What runs on the board. `main.py` may not have run, and then nobody has chosen a slot.
_BEGIN = """
import gc, json, sys
if "mote" not in sys.modules:
    try:
        with open("/slots.json") as f:
            slot = json.load(f)["slot"]
    except Exception:
        slot = "a"
    sys.path[:0] = ["/app_" + slot, "/app_" + ("a" if slot == "b" else "b")]
gc.collect()
def told(**facts):
    print(json.dumps(facts))
"""
_LOOK = (
    _BEGIN
    + """
def look():
    import os
    try:
        import mote
    except ImportError:
        return told(foreign=True)
    try:
        from mote import board, config
        mac, key = board.mac(), board.profile()["key"]
    except (ImportError, OSError, ValueError, KeyError, AttributeError):
        return told(version=mote.__version__, broken=True)
    try:
        name = config.load()["id"]
    except config.ConfigError:
        name = ""
    told(version=mote.__version__, mac=mac, board=key, id=name)
look()
"""
)
# The old configuration stays until the new one is checked and renamed, and then nothing rolls back.
_SAVE = (
    _BEGIN
    + """
def save(path, factory, text, password):
    import os
    from mote import board, config, probation
    try:
        if not board.portal_password(None):
            config.write(factory, json.dumps({"portal_password": password}))
        document = json.loads(text)
        config.checked(document)
        gc.collect()
        config.write(path, text)
        config.keep()
        probation.told()
    except config.ConfigError as error:
        return told(faults=error.faults)
    except OSError as error:
        if error.errno != 28:
            raise
        size, _, _, free = os.statvfs("/")[:4]
        return told(free=size * free)
    import binascii, hashlib
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while True:
            piece = f.read(256)
            if not piece:
                break
            digest.update(piece)
    told(digest=binascii.hexlify(digest.digest()).decode(), setup=board.portal_password(document))
save(%r, %r, %r, %r)
"""
)
_SETUP = (
    _BEGIN
    + """
from mote import board, config
try:
    document = config.load()
except config.ConfigError:
    document = None
told(setup=board.portal_password(document))
"""
)
_RESTART = "import machine; machine.reset()"


class DeviceError(Exception):
    """The board cannot be provisioned. `kind` is a stable word, the text says what to do."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True)
class Seen:
    """What a board says of itself. `id` is empty where it is not set up."""

    version: str
    mac: str
    board: str
    id: str


@dataclass(frozen=True)
class Saved:
    """A configuration that is on the board. `setup_password` is that of its setup network."""

    digest: str
    setup_password: str = field(repr=False)


class Device:
    """The board behind `at`, with its program stopped."""

    def __init__(self, path: str, at: remote.Remote) -> None:
        self.path = path
        self._at = at
        self._restarted = False

    def look(self) -> Seen:
        """Who it is. Raises DeviceError for what is not ours or too old, RemoteError."""
        facts = self._told(_LOOK)
        if facts.get("foreign"):
            raise DeviceError(
                "not-ours",
                f"the board at {self.path} runs MicroPython without Mote. Flash it: "
                f"mote flash {self.path}",
            )
        if facts.get("broken") or versions.older(facts["version"], OLDEST):
            raise DeviceError(
                "too-old",
                f"the board at {self.path} has Mote {facts['version']}, which is too old or not "
                f"whole. Flash it, its settings stay: mote flash {self.path}",
            )
        return Seen(**facts)

    def save(self, document: dict[str, Any], new_password: str) -> Saved:
        """Store `document`, which conforms to the schema here, whole or not at all.

        A board without a password of its setup network gets `new_password`.
        Raises DeviceError, RemoteError.
        """
        text = config.for_board(document)
        facts = self._told(_SAVE % (CONFIG, f"/{factory.NAME}", text, new_password))
        if "faults" in facts:
            faults = "; ".join(
                f"{path or 'the document'} {fault}" for path, fault in facts["faults"]
            )
            raise DeviceError(
                "refused",
                f"the board refuses the configuration: {faults}. Its firmware may be older than "
                f"these settings: mote flash {self.path}",
            )
        if "free" in facts:
            raise DeviceError(
                "disk-full",
                f"the flash of the board is full ({facts['free']} bytes are left), and it "
                "keeps the configuration that it has. Let it send its readings, or start it anew: "
                f"mote flash {self.path} --erase",
            )
        if facts["digest"] != hashlib.sha256(text.encode()).hexdigest():
            raise DeviceError(
                "verify",
                "what the board holds is not what was sent. Run the same command again; when that "
                "does not help, the flash of this board is worn out",
            )
        return Saved(facts["digest"], facts["setup"])

    def setup_password(self) -> str:
        """What protects its setup network, empty for nothing. Raises RemoteError."""
        return str(self._told(_SETUP)["setup"])

    def restart(self, wait_s: float = BOOT_S) -> str:
        """Restart it into what it holds; the version that it says it runs, empty without waiting.

        Raises FlashError with what it says instead, RemoteError.
        """
        from motekit.flash import boot

        self._restarted = True
        wire = self._at.leave(_RESTART)
        if wait_s:
            return boot.started(wire, wait_s, setup=False).version
        # Whoever comes next must not find the prompt from before the reset.
        with contextlib.suppress(OSError):
            wire.timeout = BEGIN_S
            wire.read_until(b"\n")
        return ""

    def back(self) -> None:
        """Whatever became of it, it does not stay at the prompt."""
        if not self._restarted:
            self.restart(0)

    def _told(self, program: str) -> dict[str, Any]:
        printed = self._at.run(program)
        for line in reversed(printed.splitlines()):
            if line.startswith("{"):
                with contextlib.suppress(payloads.PayloadError):
                    return payloads.parse_json_object(line.encode())
        raise remote.RemoteError(f"the board at {self.path} says nothing to the point: try again")


@contextlib.contextmanager
def at(path: str) -> Iterator[Device]:
    """The board at `path`, with its program stopped. Raises DeviceError, PortError."""
    try:
        with remote.stopped(path) as stopped:
            device = Device(path, stopped)
            try:
                yield device
            finally:
                with contextlib.suppress(remote.RemoteError):
                    device.back()
    except remote.NoPromptError as error:
        raise DeviceError(
            "not-ours",
            f"{error}. If it is a new board, flash it: mote flash {path}; if it sleeps, press its "
            "button RESET and run the command again at once; else say which port the board has",
        ) from error
    except remote.RemoteError as error:
        raise DeviceError("line", str(error)) from error
