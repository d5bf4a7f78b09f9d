"""The tests of the host: a real mosquitto, its CA and an ear are shared with other rooms."""

import sys
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[1] / room) for room in ("e2e", "mqtt", "running")]
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def anyio_backend() -> str:
    """The fleet is an asyncio program."""
    return "asyncio"
