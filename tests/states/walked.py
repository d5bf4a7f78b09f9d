"""Boards for walking STATES.md: the real firmware, with the times of patience.py made short."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motekit import boards, firmware, places
from motesim import AccessPoint, BoardSpec, VirtualBoard, World

if TYPE_CHECKING:
    from house_of_one import Broker

# Name -> milliseconds, enough for a virtual board to be seen in the state.
SHORT = {
    "WIFI_LOST_MS": 4_000,
    "WIFI_LOST_ON_BATTERY_MS": 1_500,
    "RETRY_BESIDE_PORTAL_MS": 1_500,
    "VISIT_MS": 5_000,
    "FORM_MS": 8_000,
    "RETRY_IN_USE_MS": 8_000,
    "PORTAL_UNUSED_MS": 4_000,
    "PORTAL_ON_BATTERY_MS": 3_000,
    "SLEEP_ON_BATTERY_MS": 2_000,
    "SAVED_TOLD_MS": 1_500,
    "SAVED_UNTOLD_MS": 60_000,
    "QUICK_RESET_MS": 3_000,
    "REPL_UNUSED_MS": 3_000,
    "SAFE_MODE_MS": 4_000,
    "PROBATION_MS": 6_000,
    "UPDATE_TRIAL_MS": 6_000,
}
HOME = ("home", "a good password")


def patience() -> dict[str, int]:
    """The real times, by name."""
    text = (places.DEVICE_PACKAGE / "patience.py").read_text(encoding="utf-8")
    return {name: int(value) for name, value in re.findall(r"^(\w+) = ([\d_]+)$", text, re.M)}


def hurried(
    folder: Path,
    *,
    crash: bool = False,
    crash_in_safe_mode: bool = False,
    session_ms: dict[str, int] | None = None,
    **times_ms: int,
) -> Path:
    """A tree for a board whose times are `SHORT`, or those given.

    With `crash`, running mode raises at once. `session_ms` are times of session.py.
    """
    source = folder / "source"
    shutil.copytree(places.FIRMWARE, source, ignore=shutil.ignore_patterns("__pycache__"))
    _set_times(source / "mote" / "patience.py", SHORT | times_ms)
    _set_times(source / "mote" / "session.py", session_ms or {})
    for module, fault, wanted in (
        ("running", "a bad release", crash),
        ("rescue", "no rescue", crash_in_safe_mode),
    ):
        if wanted:
            with (source / "mote" / f"{module}.py").open("a") as file:
                file.write(f"\n\nraise RuntimeError('{fault}')\n")
    return firmware.build(boards.default_for("esp32"), source)


def _set_times(file: Path, times_ms: dict[str, int]) -> None:
    text = file.read_text(encoding="utf-8")
    for name, value in times_ms.items():
        text, count = re.subn(rf"^{name} = [\d_]+$", f"{name} = {value}", text, flags=re.M)
        assert count == 1, name
    file.write_text(text, encoding="utf-8")


class Walk:
    """One board in one home."""

    def __init__(
        self,
        world: World,
        wifi: AccessPoint,
        board: VirtualBoard,
        settings: dict[str, Any],
        broker: "Broker",
    ) -> None:
        self.world, self.wifi, self.board, self.settings = world, wifi, board, settings
        self._broker = broker

    async def sees(self, *texts: str, timeout: float = 240) -> None:
        """Each text comes on the serial log after the one before it."""
        for text in texts:
            await self.board.wait_for_log(text, timeout, since=self._at)
            self._at = next(
                self._at + i + 1
                for i, line in enumerate(self.board.log[self._at :])
                if text in line
            )

    _at = 0

    async def obeys(self, text: str, **command: Any) -> None:
        """A command over MQTT, said until the log has `text`: a board does it once."""
        since = self._at
        async with asyncio.timeout(120):
            while not any(text in line for line in self.board.log[since:]):
                await self._broker.command(json.dumps(command))
                await asyncio.sleep(0.5)
        await self.sees(text)

    @staticmethod
    def at_ms(line: str) -> int:
        """When the board wrote a line of its log, by its own clock."""
        return int(line.split()[1])

    def noted(self, key: str) -> int | str | None:
        """What the board has in its NVS under `key`."""
        return self.board.core._nvs.get(("mote", key))

    def kept(self) -> bool:
        """Whether the configuration is on the flash; the board has to be off."""
        return "/config.json" in self.board.flash.files()


@asynccontextmanager
async def walk(
    folder: Path, config: dict[str, Any] | None = None, *, crash: bool = False, crashes: int = 0,
    crash_in_safe_mode: bool = False, configured: bool = True, wifi_up: bool = True,
    broker: bool = True, **times_ms: int,
) -> AsyncIterator[Walk]:  # fmt: skip
    """A board that is switched on in a home; `config` changes its settings, `times_ms` `SHORT`.

    Before, it has crashed `crashes` times in a row.
    """
    from house_of_one import ADDRESS, SERVER, Broker

    server = Broker(folder, "allow_anonymous true")
    if broker:
        await server.start()
    try:
        async with World() as world:
            wifi = await world.add_access_point(AccessPoint(*HOME))
            world.switch(wifi, up=wifi_up)
            world.add_host(SERVER, ADDRESS, {1883: ("127.0.0.1", server.port)})
            document = {
                "version": 1,
                "id": "dev",
                "wifi": [{"ssid": HOME[0], "password": HOME[1]}],
                "mqtt": {"host": SERVER},
                "interval": 1,
                **(config or {}),
            }
            tree = await asyncio.to_thread(
                hurried, folder, crash=crash, crash_in_safe_mode=crash_in_safe_mode, **times_ms
            )
            spec = BoardSpec("dev", config=document if configured else None, firmware=tree)
            board = await world.add_board(spec)
            if crashes:
                board.core.nvs_set("mote", "crashes", crashes)
            await board.power_on()
            yield Walk(world, wifi, board, document, server)
    finally:
        if broker:
            await server.stop()
