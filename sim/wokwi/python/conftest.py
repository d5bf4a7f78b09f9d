"""A board in Wokwi's simulator for tests in Python: the fixture `board`.

It runs the project in WOKWI_PROJECT, sim/wokwi/esp32 unless set, with the token in WOKWI_CLI_TOKEN.
"""

import os
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from wokwi_client import GET_TOKEN_URL, WokwiClientSync

PROJECT = Path(os.environ.get("WOKWI_PROJECT", Path(__file__).parents[1] / "esp32"))


class Board:
    """What a test does with a board. Times are in seconds of this computer's clock."""

    def __init__(self, client: WokwiClientSync) -> None:
        self._client = client
        self._said = bytearray()
        self._news = threading.Condition()

    def hear(self, data: bytes) -> None:
        """Called with what the board says."""
        with self._news:
            self._said += data
            self._news.notify_all()

    def says(self, text: str, timeout: float = 60) -> None:
        """Wait until the board has said `text`, counted from the last call."""
        wanted, until = text.encode(), time.monotonic() + timeout
        with self._news:
            while (at := self._said.find(wanted)) < 0:
                if not self._news.wait(until - time.monotonic()):
                    heard = self._said[-500:].decode(errors="replace")
                    raise AssertionError(f"no {text!r} in {timeout} s; the board said: …{heard}")
            del self._said[: at + len(wanted)]

    def type(self, data: str | bytes) -> None:
        """Send to its serial port."""
        self._client.serial_write(data)

    def turn(self, part: str, control: str, value: float) -> None:
        """Turn something of a part: `board.turn("dht", "temperature", 31.5)`."""
        self._client.set_control(part, control, value)

    def level(self, part: str, pin: str) -> int:
        """The level of a pin."""
        return int(self._client.read_pin(part, pin)["value"])


@pytest.fixture
def board() -> Iterator[Board]:
    """The project's board, starting."""
    token = os.environ.get("WOKWI_CLI_TOKEN")
    if not token:
        pytest.skip(f"WOKWI_CLI_TOKEN is not set: get a token at {GET_TOKEN_URL}")
    config = tomllib.loads((PROJECT / "wokwi.toml").read_text(encoding="utf-8"))
    with WokwiClientSync(token) as client:
        client.upload_file("diagram.json", PROJECT / "diagram.json")
        firmware = client.upload_idf_firmware(PROJECT / config["wokwi"]["firmware"])
        made = Board(client)
        client.serial_monitor(made.hear)
        client.start_simulation(firmware.firmware, flash_size=firmware.flash_size)
        yield made
