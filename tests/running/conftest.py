"""Running mode on the virtual board, against a real mosquitto, heard by `mosquitto_sub`."""

import sys
from pathlib import Path

import pytest

# The ear is shared with the end-to-end tests, the phone of a trial with those of the portal.
sys.path += [str(Path(__file__).parents[1] / room) for room in ("e2e", "portal")]


@pytest.fixture
def anyio_backend() -> str:
    """The world is an asyncio program."""
    return "asyncio"
