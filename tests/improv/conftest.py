"""Improv over serial as its clients speak it: the real SDK, and bytes as others send them."""

import sys
from pathlib import Path

import pytest

# A home with a broker, an ear, images, a browser: shared with the rooms they belong to.
sys.path[:0] = [str(Path(__file__).parent)]
sys.path += [str(Path(__file__).parents[1] / room) for room in ("e2e", "host", "portal", "running")]


@pytest.fixture
def anyio_backend() -> str:
    """The world is an asyncio program."""
    return "asyncio"
