"""MQTT: publishes at QoS 1 a second, how long one takes, and the heap of the client.

Ours, the bare `umqtt.simple` of the official images and `mqtt_async`, which comes from the
`mqtt_as` that the package index does not have; each in a process of its own on the same runtime,
with the same mosquitto on loopback. They take turns.
"""

import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "running"))

from house_of_one import Broker
from motekit import boards, firmware, packages
from motesim.core import WIDTH_RATIO

# Debian keeps daemons in /usr/sbin, which a plain user's PATH lacks.
os.environ["PATH"] += ":/usr/sbin:/sbin"

NAMES = ("publish_qos1_per_s",)

RUNTIME = Path(sys.executable).with_name("micropython")
PROGRAM = Path(__file__).with_name("mqtt_on_device.py")
TURNS = 10
COUNT = 50
ROUND = 5
ANSWER_S = 60
UMQTT, MQTT_ASYNC = "umqtt", "mqtt_async"


def run(figure: Callable[[str, float, str], None]) -> None:
    asyncio.run(_run(figure))


async def _run(figure: Callable[[str, float, str], None]) -> None:
    clients: dict[str, _Client] = {}
    brokers: list[Broker] = []
    with tempfile.TemporaryDirectory(prefix="mote-bench-") as folder:
        try:
            for options in ("", "set_tcp_nodelay true"):
                brokers.append(Broker(Path(folder), f"allow_anonymous true\n{options}"))
                await brokers[-1].start()
            plain, quick = brokers
            for name in ("mote", UMQTT, MQTT_ASYNC):
                clients[name] = await _Client.start(name, plain.port)
            at_quick = clients["quick"] = await _Client.start("mote", quick.port)
            for _ in range(TURNS):
                for client in clients.values():
                    await client.publish("one", COUNT)
                await clients["mote"].publish("round", COUNT)
                await at_quick.publish("round", COUNT)
        finally:
            for client in clients.values():
                client.stop()
            for broker in brokers:
                await broker.stop()
    del clients["quick"]
    for name, client in clients.items():
        end = "" if name == "mote" else f".{name}"
        took = client.took["one"]
        figure(f"publish_qos1_per_s{end}", 1e6 / statistics.mean(took), "1/s")
        figure(f"publish_qos1_p50_ms{end}", statistics.median(took) / 1000, "ms")
        figure(f"publish_qos1_p95_ms{end}", statistics.quantiles(took, n=20)[-1] / 1000, "ms")
        figure(f"mqtt_heap{end}", client.heap, "B")
        figure(f"mqtt_heap{end}.esp32_estimate", client.heap / WIDTH_RATIO, "B")
    # Mosquitto acknowledges one by one, and without `set_tcp_nodelay` its second answer waits until
    # the system has acknowledged the first one.
    for end, client in (("", clients["mote"]), ("_nodelay", at_quick)):
        rounds = client.took["round"]
        figure(
            f"publish_qos1_per_s.round_of_five{end}", ROUND * 1e6 / statistics.mean(rounds), "1/s"
        )


class _Client:
    """A client on the runtime: its heap, and what its publishes took, in microseconds, by kind."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.heap = 0
        self.took: dict[str, list[int]] = {"one": [], "round": []}

    @classmethod
    async def start(cls, name: str, port: int) -> "_Client":
        """Returns when it is connected."""
        tree = await asyncio.to_thread(firmware.build, boards.default_for("esp32"))
        keys = ["umqtt-simple", *(["mqtt-async"] if name == MQTT_ASYNC else [])]
        fetched = [await asyncio.to_thread(packages.folder, key) for key in keys]
        folders = [tree / firmware.SLOT, *fetched]
        process = await asyncio.create_subprocess_exec(
            *(RUNTIME, "-X", "heapsize=1M", PROGRAM, name, str(port), *map(str, folders)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "MICROPYPATH": ".frozen"},
        )
        client = cls(process)
        (client.heap,) = await client._answer()
        return client

    async def publish(self, kind: str, count: int) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{kind} {count}\n".encode())
        self.took[kind] += await self._answer()

    async def _answer(self) -> list[int]:
        assert self._process.stdout and self._process.stdin
        async with asyncio.timeout(ANSWER_S):
            line = await self._process.stdout.readline()
        if not line.strip().replace(b" ", b"").isdigit():
            self._process.stdin.close()
            rest = await self._process.stdout.read()
            raise RuntimeError("the client has ended:\n" + (line + rest).decode())
        return [int(number) for number in line.split()]

    def stop(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
