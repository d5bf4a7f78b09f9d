"""A board that takes updates over the air, and releases to send it."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from house_of_one import Home, home
from mote import contract
from motekit import boards, firmware, orders, places, update
from motesim import BoardSpec, VirtualBoard
from mqtt_ear import Ear, ear

SAFE_MODE = "app: safe mode: an update is taken over MQTT"
# A virtual board joins and logs in within three seconds, on a busy machine within many more.
TRIAL_MS = 90_000
# For one that never gets online: nothing is gained by waiting for it.
SHORT_TRIAL = ("mote/patience.py", r"^UPDATE_TRIAL_MS = .*$", "UPDATE_TRIAL_MS = 6_000")
# What is in the sources, replaced: file of the firmware, pattern, text instead of it.
Change = tuple[str, str, str]
CRASH = ("mote/running.py", r"\Z", "\n\nraise RuntimeError('a bad release')\n")
NOT_EVEN_LOADED = ("mote/app.py", r"^import asyncio$", "import asyncio, no_such_module")
NEVER_ONLINE = (
    "mote/online.py",
    r"^    async def stay\(self\):$",
    """\\g<0>
        await asyncio.sleep(9999)""",
)
HANGS = (
    "mote/online.py",
    r"^    async def stay\(self\):$",
    """\\g<0>
        while True:
            pass""",
)


def release(folder: Path, version: str, key: ec.EllipticCurvePrivateKey, *changes: Change) -> Path:
    """A tree of the firmware that calls itself `version`."""
    source = folder / f"source-{version}"
    shutil.copytree(places.FIRMWARE, source, ignore=shutil.ignore_patterns("__pycache__"))
    for name, pattern, text in (
        ("mote/__init__.py", r'^__version__ = ".*"$', f'__version__ = "{version}"'),
        ("mote/patience.py", r"^UPDATE_TRIAL_MS = .*$", f"UPDATE_TRIAL_MS = {TRIAL_MS}"),
        *changes,
    ):
        file = source / name
        changed, count = re.subn(pattern, text, file.read_text(), count=1, flags=re.M)
        assert count == 1, (name, pattern)
        file.write_text(changed)
    profile = boards.default_for("esp32")
    return firmware.build(profile, source, update.public_bytes(key))


@dataclass
class Owner:
    """Who has the key, and a board that runs 0.1.9."""

    place: Home
    heard: Ear
    board: VirtualBoard
    key: ec.EllipticCurvePrivateKey
    folder: Path

    async def bundle(self, version: str, *changes: Change, **options: bool) -> update.Bundle:
        tree = await asyncio.to_thread(release, self.folder, version, self.key, *changes)
        return update.make_application(tree / "app_a", version, self.key, **options)

    def signed(self, bundle: update.Bundle, **changes: object) -> update.Bundle:
        """The same with another manifest, and a good signature."""
        text = json.dumps(bundle.manifest | changes)
        r, s = utils.decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return replace(bundle, text=text, signature=signature)

    async def send(self, bundle: update.Bundle, progress=lambda *_: None) -> None:
        server = orders.Server("127.0.0.1", self.place.broker.port)
        async with orders.conversation(server) as talk:
            await update.send(bundle, "dev", talk, progress)


@asynccontextmanager
async def owned(
    folder: Path, *changes: Change, two_slots: bool = False, crashes: int = 0
) -> AsyncIterator[Owner]:
    """A board that is online with 0.1.9, which has `changes`, after so many crashes in a row."""
    key = ec.generate_private_key(ec.SECP256R1())
    tree = await asyncio.to_thread(release, folder, "0.1.9", key, *changes)
    async with (
        home(folder) as place,
        ear([], "-p", str(place.broker.port), "-q", "1", "-t", "devices/#") as heard,
    ):
        document = {
            "version": 1, "id": "dev", "interval": 1, "mqtt": {"host": "mqtt.local"},
            "wifi": [{"ssid": place.wifi.ssid, "password": place.wifi.password}],
        }  # fmt: skip
        spec = BoardSpec("dev", config=document, firmware=tree, two_slots=two_slots)
        board = await place.world.add_board(spec)
        if crashes:
            board.core.nvs_set("mote", "crashes", crashes)
            board.flash.write("crash.txt", b"RuntimeError: a bad release")
        await board.power_on()
        await board.wait_for_log(SAFE_MODE if crashes else contract.LOG_FIRST_READING, 60)
        yield Owner(place, heard, board, key, folder)
