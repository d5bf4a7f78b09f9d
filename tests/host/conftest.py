"""The tests of the host: a real mosquitto, its CA and an ear are shared with other rooms."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from motekit import places
from one_at_a_time import alone

sys.path += [str(Path(__file__).parents[1] / room) for room in ("e2e", "mqtt", "running")]
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def one_world() -> Iterator[None]:
    """No other process of these tests runs `mote sim`, of which a checkout has one at a time."""
    with alone(places.cache() / "world.lock"):
        yield


@pytest.fixture
def anyio_backend() -> str:
    """The fleet is an asyncio program."""
    return "asyncio"
