"""Fuzzing of the hub's MQTT socket: a million packets of MQTT 3.1.1 and 5, most of them damaged.

They are valid packets with damage, random bytes, and both split at random places, from clients that
the hub has let in and from some that it has not. Meanwhile a good client goes on publishing at
QoS 1. What breaks the hub is printed with the seed of its connection.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "broker"))
import wire_format as wire  # noqa: E402

NAMES = ("fuzz_mqtt_packets", "fuzz_crashes.mqtt", "fuzz_mqtt_memory_mb", "fuzz_mqtt_good_ms")

MOTE = Path(sys.executable).with_name("mote")
PACKETS = int(os.environ.get("MOTE_FUZZ_MQTT_PACKETS", "1000000"))
SEED = 1
AT_ONCE = 40
PACKETS_EACH = (1, 60)
# All queues and all that is not committed have limits, which this is well above.
MEMORY_MAX_MB = 600
# A good client waits no longer for an acknowledgement, on a machine that does other things too.
GOOD_MAX_MS = 5_000
ANSWER_S = 60
# Of damage and of a fault of the hub; both would come in its log.
_FAULTS = ("Traceback", "failed", "Error")

_TOPICS = (
    "a", "a/b", "devices/x/status", "sensors/x/t", "backfill/x", "$SYS/a", "", "a/#", "+", "#",
    "a/+/b", "$share/g/a", "$share//", "é" * 100, "x" * 3000, "/" * 90, "\x01", "\ufeffa",
)  # fmt: skip
_PAYLOADS = (b"", b"21.5", b"nan", b"{" * 200, b"\xff" * 10, bytes(5000), b"sensors,device=x 1 2")


def run(figure: Callable[[str, float, str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="mote-fuzz-") as folder:
        log = Path(folder) / "hub.log"
        with log.open("wb") as errors, _hub(Path(folder), errors) as process:
            assert process.stdout
            port = json.loads(process.stdout.readline())["mqtt_port"]
            campaign = Campaign(port, psutil.Process(process.pid))
            asyncio.run(campaign.run())
            is_alive = process.poll() is None
            process.terminate()
            is_alive = is_alive and process.wait(ANSWER_S) == 0
        said = log.read_text(errors="replace")
    faults = [line for line in said.splitlines() if any(fault in line for fault in _FAULTS)]
    for line in faults[:20]:
        print(f"# hub: {line}", flush=True)
    crashes = len(faults) + (not is_alive) + campaign.failures
    figure("fuzz_mqtt_packets", campaign.packets, "")
    figure("fuzz_crashes.mqtt", crashes, "")
    figure("fuzz_mqtt_memory_mb", campaign.memory_mb, "MB")
    figure("fuzz_mqtt_good_ms", campaign.good_ms, "ms")
    print(f"# {campaign.connections} connections, {campaign.good} messages of the good client")
    assert not crashes, "the hub broke: see above"
    assert campaign.memory_mb < MEMORY_MAX_MB
    assert campaign.good_ms < GOOD_MAX_MS


def _hub(folder: Path, errors: object) -> "subprocess.Popen[bytes]":
    command = [MOTE, "hub", "--data", folder / "hub", "--mqtt-host", "127.0.0.1"]
    return subprocess.Popen(
        [*command, "--mqtt-port", "0", "--no-dashboard", "--json"],
        stdout=subprocess.PIPE,
        stderr=errors,
        env={**os.environ, "NO_COLOR": "1"},
    )


class Campaign:
    """All clients; counts what they sent and how the hub bore it."""

    def __init__(self, port: int, hub: psutil.Process) -> None:
        self._port = port
        self._hub = hub
        self.packets = self.connections = self.failures = self.good = 0
        self.memory_mb = self.good_ms = 0.0
        self._seeds = iter(range(SEED, 1 << 40))
        self._done = asyncio.Event()

    async def run(self) -> None:
        good = asyncio.create_task(self._good_client())
        try:
            await asyncio.gather(*(self._bad_clients() for _ in range(AT_ONCE)))
        finally:
            self._done.set()
        await good

    async def _good_client(self) -> None:
        """Publish one message after the other, and want each acknowledged."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(wire.connect("good", keep_alive=60))
        assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
        while not self._done.is_set():
            began = time.monotonic()
            number = self.good % 65_535 + 1
            writer.write(wire.publish("sensors/good/temperature", b"%d" % number, 1, number))
            try:
                answer = await asyncio.wait_for(reader.readexactly(4), ANSWER_S)
                assert answer == b"\x40\x02" + number.to_bytes(2, "big"), answer
            except (OSError, EOFError, TimeoutError, AssertionError) as error:
                print(f"# the good client: {error!r} at packet {self.packets}", flush=True)
                self.failures += 1
                self._done.set()
                return
            self.good += 1
            self.good_ms = max(self.good_ms, (time.monotonic() - began) * 1000)
            self.memory_mb = max(self.memory_mb, self._hub.memory_info().rss / 2**20)
            await asyncio.sleep(0.05)
        writer.close()

    async def _bad_clients(self) -> None:
        while self.packets < PACKETS and not self._done.is_set():
            chance = random.Random(next(self._seeds))
            packets = conversation(chance)
            self.connections += 1
            try:
                await asyncio.wait_for(self._send(chance, packets), ANSWER_S)
            except OSError:
                # That is what the hub does to such clients; a time-out is one of them.
                if not self._hub.is_running():
                    self._done.set()

    async def _send(self, chance: random.Random, packets: list[bytes]) -> None:
        stream = b"".join(packets)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            cuts = sorted(chance.randrange(len(stream) + 1) for _ in range(chance.randrange(4)))
            for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
                writer.write(stream[begin:end])
                await asyncio.sleep(0)
            if chance.random() < 0.9:
                # Until the hub has had enough. Of what the others sent it may have seen nothing:
                # they reset the connection.
                self.packets += len(packets)
                writer.write_eof()
                while await reader.read(65_536):
                    pass
        finally:
            writer.close()


def conversation(chance: random.Random) -> list[bytes]:
    """The packets of one connection."""
    version = chance.choice((wire.V311, wire.V5))
    first = _connect(chance, version)
    if chance.random() < 0.1:
        first = damaged(chance, first)
    packets = [first]
    for _ in range(chance.randint(*PACKETS_EACH)):
        packet = valid(chance, version)
        packets.append(packet)
        # Much is behind the first damage, so that is not at the beginning.
        if chance.random() < 0.03:
            packets[-1] = damaged(chance, packet)
    return packets


def _connect(chance: random.Random, version: int) -> bytes:
    will = None
    if chance.random() < 0.3:
        will = (chance.choice(_TOPICS), chance.choice(_PAYLOADS), chance.randrange(3), True)
    listed = [(0x11, chance.choice((0, 1, 600, 0xFFFFFFFF)))] if chance.random() < 0.3 else []
    if chance.random() < 0.2:
        listed += [(0x21, chance.choice((1, 2, 65_535))), (0x22, 3), (0x27, 200)]
    return wire.connect(
        chance.choice(("", *(f"fuzz{number}" for number in range(20)))),
        version=version,
        clean=chance.random() < 0.8,
        keep_alive=chance.choice((0, 1, 60, 65_535)),
        user=chance.choice((None, None, None, "owner", "x\ud7ff")),
        password=None if version == wire.V311 else chance.choice((None, b"\x00\xff")),
        will=will,
        listed=listed,
    )


def valid(chance: random.Random, version: int) -> bytes:
    """A packet that is well formed, and often not allowed."""
    number = chance.choice((1, 2, 3, 65_535))
    kind = chance.randrange(10)
    if kind < 4:
        qos = chance.randrange(3)
        listed = []
        if chance.random() < 0.3:
            listed = [(0x26, ("key", "value")), (0x02, chance.choice((0, 1, 0xFFFFFFFF)))]
            listed += [(0x23, chance.randrange(20))] if chance.random() < 0.5 else []
        return wire.publish(
            _topic(chance),
            chance.choice(_PAYLOADS),
            qos,
            number,
            retain=chance.random() < 0.3,
            dup=bool(qos) and chance.random() < 0.2,
            version=version,
            listed=listed,
        )
    if kind < 6:
        options = chance.choice((0, 1, 2)) | (chance.choice((0, 4, 8, 16)) if version == 5 else 0)
        return wire.subscribe(number, (_topic(chance), options), version=version)
    if kind == 6:
        return wire.unsubscribe(number, chance.choice(_TOPICS), version=version)
    if kind == 7:
        return wire.PINGREQ_PACKET
    if kind == 8 and chance.random() < 0.05:
        return wire.DISCONNECT_PACKET
    return wire.acknowledge(chance.choice((4, 5, 6, 7)), number)


def _topic(chance: random.Random) -> str:
    """Mostly one that is allowed: a client that is disconnected gets no further."""
    return chance.choice(_TOPICS[:5] if chance.random() < 0.97 else _TOPICS)


def damaged(chance: random.Random, packet: bytes) -> bytes:
    """The packet with some of it changed, or something else instead."""
    data = bytearray(packet)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data)) if data else 0
        kind = chance.randrange(7)
        if kind == 0:
            return chance.randbytes(chance.randrange(200))
        if kind == 1 and data:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 2 and data:
            data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 3:
            data[at:at] = chance.randbytes(chance.randint(1, 8))
        elif kind == 4:
            del data[at : at + chance.randint(1, 8)]
        elif kind == 5:
            data[at:at] = data[at : at + 20]
        elif len(data) > 1:
            data[1] = chance.randrange(256)
    return bytes(data)
