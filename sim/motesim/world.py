"""The world: boards, the WiFi around them, and what they can reach."""

import asyncio
import tempfile
from pathlib import Path
from types import TracebackType

from motekit import boards, firmware, image, packages
from motekit.supervision import logged

from motesim.air import AccessPoint, Air
from motesim.board import BoardSpec, VirtualBoard
from motesim.chips import CHIPS
from motesim.errors import SimulationError
from motesim.flash import Flash
from motesim.network import Network
from motesim.network.loopback import LoopbackNetwork


class World:
    """An asynchronous context manager; leaving it switches everything off and removes it.

    `network` is loopback unless given; `folder` keeps the boards' flash, else a temporary one.
    """

    def __init__(self, network: Network | None = None, folder: Path | None = None) -> None:
        self.network = network or LoopbackNetwork()
        self.air = Air()
        self.boards: dict[str, VirtualBoard] = {}
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="mote-world-")
        self._folder = folder or Path(self._temporary.name)  # type: ignore[union-attr]
        self._noticing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "World":
        self._folder.mkdir(parents=True, exist_ok=True)
        await self.network.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.gather(*(board.close() for board in self.boards.values()))
        await self.network.close()
        if self._temporary:
            self._temporary.cleanup()

    async def add_access_point(self, ap: AccessPoint) -> AccessPoint:
        """A WiFi network on the air."""
        self.air.access_points.append(ap)
        await self.network.add_access_point(ap)
        return ap

    def add_host(self, name: str, address: str, ports: dict[int, tuple[str, int]]) -> None:
        """Loopback only: a machine of the home network; `ports` are services of this machine."""
        if not isinstance(self.network, LoopbackNetwork):
            raise SimulationError("in network namespaces a host is a namespace of its own")
        self.network.add_host(name, address, ports)

    async def add_board(self, spec: BoardSpec) -> VirtualBoard:
        """A new board with the firmware on its flash; switched off. Raises SimulationError."""
        if spec.name in self.boards:
            raise SimulationError(f"there is already a board {spec.name}")
        if spec.chip not in CHIPS:
            raise SimulationError(f"no chip {spec.chip}; known: {', '.join(CHIPS)}")
        chip = CHIPS[spec.chip]
        profile = boards.profile(spec.board) if spec.board else boards.default_for(spec.chip)
        if profile.chip.lower() != spec.chip:
            raise SimulationError(f"the board {spec.board} has an {profile.chip}, not {spec.chip}")
        index = len(self.boards)
        mac = spec.mac or f"{chip.mac_prefix}{2 * index + 0x10:06x}"
        frozen = await asyncio.to_thread(packages.folder, "umqtt-simple")
        path = self._folder / f"{spec.name.replace(' ', '-')}.flash"
        if spec.image is not None:
            flash = _flashed(path, spec.image, profile.chip)
        else:
            flash = Flash(path, chip.flash_size, two_slots=spec.two_slots)
            tree = spec.firmware
            if tree is None:
                tree = await asyncio.to_thread(firmware.build, profile, key=spec.key)
            flash.install(tree)
        if spec.config is not None:
            flash.write_config(spec.config)
        network = await self.network.board(spec.name, index)
        board = VirtualBoard(spec, profile, mac, flash, self.air, network, frozen)
        self.boards[spec.name] = board
        return board

    def switch(self, ap: AccessPoint, *, up: bool) -> None:
        """Bring a WiFi network up or down; stations notice when beacons stay out."""
        ap.up = up
        self._notice(ap)

    def change_password(self, ap: AccessPoint, password: str) -> None:
        """Give a WiFi network another password; it throws its stations out."""
        ap.password = password
        self._notice(ap)

    def _notice(self, ap: AccessPoint) -> None:
        for board in self.boards.values():
            task = asyncio.create_task(logged("the loss of a WiFi", board.radio.station.lost(ap)))
            self._noticing.add(task)
            task.add_done_callback(self._noticing.discard)


def _flashed(path: Path, data: bytes, chip: str) -> Flash:
    """A flash that was written with an image. Raises SimulationError."""
    try:
        runtime = image.read(data)
        files_at = runtime.file_system(len(data))
    except image.ImageError as error:
        raise SimulationError(f"this flash holds no image: {error}") from error
    if runtime.chip != chip:
        raise SimulationError(f"this image is for the chip {runtime.chip}, not {chip}")
    return Flash.written(path, data, files_at)
