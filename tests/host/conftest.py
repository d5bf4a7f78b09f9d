"""The tests of the host: a real mosquitto, its CA and an ear are shared with other rooms."""

import fcntl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from motekit import places

sys.path += [str(Path(__file__).parents[1] / room) for room in ("e2e", "mqtt", "running")]
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def one_world() -> Iterator[None]:
    """No other process of these tests runs `mote sim`, of which a checkout has one at a time."""
    with (places.cache() / "world.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def anyio_backend() -> str:
    """The fleet is an asyncio program."""
    return "asyncio"
