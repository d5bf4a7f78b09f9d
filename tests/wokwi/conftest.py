"""Wokwi projects in a folder of their own, with firmware of their own in it."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from motekit import boards, image, places, update
from motekit.image import flasher_args

# Images that are true in structure are made where those of the host tools are tested, packages of
# npm are installed where Improv is.
sys.path += [str(Path(__file__).parent)]
sys.path += [str(Path(__file__).parents[1] / room) for room in ("host", "improv")]

# It is in no package registry: github.com/wokwi/wokwi-cli. What cannot be had everywhere is not
# skipped, which `make test` does not allow in CI, but left out.
WOKWI_CLI = shutil.which("wokwi-cli")
collect_ignore = [] if WOKWI_CLI else ["test_wokwi_cli.py"]


@pytest.fixture
def anyio_backend() -> str:
    """The world is an asyncio program."""
    return "asyncio"


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of sim/wokwi with the images that its projects name; the key for updates is its own.

    Whoever changes a file in it copies it before.
    """
    import flash_images
    from wokwi_projects import PROJECTS

    top = tmp_path_factory.mktemp("wokwi")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(top / "data"))
        key = update.public_bytes(update.private_key())
        for folder, board in PROJECTS.items():
            profile = boards.profile(board)
            runtime = image.read(flash_images.synthetic(profile.chip.lower()))
            made = image.build(profile, runtime, key=key)
            flasher_args.write(made, top / "build" / "wokwi" / folder)
        copy = top / "sim" / "wokwi"
        shutil.copytree(places.CHECKOUT / "sim" / "wokwi", copy)
        yield copy
