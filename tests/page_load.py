"""A hub under load with its pages open: what boards notice of it."""

import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Page, sync_playwright

MOTE = Path(sys.executable).with_name("mote")
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
WAIT_MS = 120_000
PROBE_EVERY_S = 0.05


@contextmanager
def running_hub(folder: Path) -> Iterator[dict[str, Any]]:
    """`mote hub` on loopback with its dashboard: its addresses, and `process`, as psutil has it."""
    command = [MOTE, "hub", "--data", folder, "--mqtt-host", "127.0.0.1", "--mqtt-port", "0"]
    with subprocess.Popen([*command, "--port", "0", "--json"], stdout=subprocess.PIPE) as hub:
        assert hub.stdout
        try:
            yield {**json.loads(hub.stdout.readline()), "process": psutil.Process(hub.pid)}
        finally:
            hub.terminate()


@contextmanager
def fleet(
    port: int, devices: int, rate: int, ramp_s: int, folder: Path
) -> Iterator[dict[str, Any]]:
    """Devices with connections of their own, until the block ends; then the object is filled."""
    report: dict[str, Any] = {}
    command = [MOTE, "fleet", "--json", "--broker", f"mqtt://127.0.0.1:{port}"]
    amount = ["--devices", str(devices), "--rate", str(rate), "--ramp", str(ramp_s)]
    with subprocess.Popen(
        [*command, *amount, "--data", str(folder)], stdout=subprocess.PIPE
    ) as process:
        try:
            yield report
        finally:
            process.terminate()
            assert process.stdout
            report.update(json.loads(process.stdout.read()))


@contextmanager
def open_pages(chromium: str, address: str, count: int, cards: int) -> Iterator[list[Page]]:
    """Pages of the overview in Chromium, all of them shown and up to date."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        try:
            pages = []
            for _ in range(count):
                page = browser.new_page(viewport={"width": 1280, "height": 860})
                page.set_default_timeout(WAIT_MS)
                page.goto(address)
                page.wait_for_function(
                    "count => document.querySelectorAll('[data-device]').length >= count",
                    arg=cards,
                )
                assert page.evaluate("document.visibilityState") == "visible"
                pages.append(page)
            yield pages
        finally:
            browser.close()


def online(address: str) -> int:
    """How many devices the pages show as online."""
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{address}api/pages/overview", timeout=WAIT_MS / 1000) as answer:
        return sum(state == "online" for _, state, _ in json.load(answer)["devices"])


def until_online(address: str, devices: int) -> None:
    """Wait until the pages show so many devices as online."""
    end = time.monotonic() + WAIT_MS / 1000
    while online(address) < devices:
        assert time.monotonic() < end, "the devices did not come online"
        time.sleep(0.2)


def acknowledged_ms(port: int, seconds: float) -> list[float]:
    """How long a client waits from each of its publishes at QoS 1 to the acknowledgement."""
    took = []
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = b"probe"
        head = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(name).to_bytes(2, "big") + name
        line.sendall(bytes((0x10, len(head))) + head)
        assert _read(line, 4)[3] == 0
        topic = b"sensors/probe/temperature"
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            number = number % 65_535 + 1
            body = len(topic).to_bytes(2, "big") + topic + number.to_bytes(2, "big") + b"1.5"
            began = time.monotonic()
            line.sendall(bytes((0x32, len(body))) + body)
            assert _read(line, 4) == b"\x40\x02" + number.to_bytes(2, "big")
            took.append((time.monotonic() - began) * 1000)
            time.sleep(PROBE_EVERY_S)
        line.sendall(b"\xe0\x00")
    return took


def p95(values: list[float]) -> float:
    """The value that 95 of 100 are below."""
    return statistics.quantiles(values, n=20)[-1]


def _read(line: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = line.recv(count - len(found))
        assert part, "the hub closed the connection"
        found += part
    return found
