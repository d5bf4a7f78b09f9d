"""Linux network namespaces, through iproute2: made, wired, and removed by name."""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from motesim.errors import SimulationError

_RESOLVERS = Path("/etc/netns")


class Namespace:
    """One namespace with its own loopback and name server; `prefix` runs a command in it."""

    def __init__(self, role: str) -> None:
        self.name = f"mote-{os.getpid()}-{role}"
        self.prefix = ["ip", "netns", "exec", self.name]
        self._processes: list[asyncio.subprocess.Process] = []

    async def make(self) -> "Namespace":
        folder = _RESOLVERS / self.name
        folder.mkdir(parents=True, exist_ok=True)
        # `ip netns exec` lays this file over /etc/resolv.conf; the DHCP client writes into it.
        (folder / "resolv.conf").write_text("")
        await run("ip", "netns", "add", self.name)
        await self.ip("link", "set", "lo", "up")
        return self

    async def ip(self, *arguments: str) -> str:
        return await run("ip", "-n", self.name, *arguments)

    async def spawn(self, *command: str) -> asyncio.subprocess.Process:
        """Start a daemon that ends with the namespace."""
        process = await asyncio.create_subprocess_exec(
            *self.prefix,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._processes.append(process)
        return process

    async def end(self, process: asyncio.subprocess.Process) -> None:
        if process in self._processes:
            self._processes.remove(process)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def remove(self) -> None:
        for process in list(self._processes):
            await self.end(process)
        with contextlib.suppress(SimulationError):
            await run("ip", "netns", "del", self.name)
        shutil.rmtree(_RESOLVERS / self.name, ignore_errors=True)


async def run(*command: str) -> str:
    """Run a command to its end and return what it printed. Raises SimulationError if it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await process.communicate()
    if process.returncode:
        raise SimulationError(f"{' '.join(command)}: {error.decode().strip()}")
    return out.decode()


async def wire(one: Namespace, one_end: str, other: Namespace, other_end: str) -> None:
    """Lay a cable (veth) between two namespaces, both ends up."""
    peer = ("peer", "name", other_end, "netns", other.name)
    await one.ip("link", "add", one_end, "type", "veth", *peer)
    await one.ip("link", "set", one_end, "up")
    await other.ip("link", "set", other_end, "up")


async def remove_stale() -> None:
    """Remove the namespaces of earlier runs whose process is gone."""
    for name in _names(await run("ip", "netns", "list")):
        owner = re.match(r"mote-(\d+)-", name)
        if owner and not Path(f"/proc/{owner[1]}").exists():
            with contextlib.suppress(SimulationError):
                await run("ip", "netns", "del", name)
            shutil.rmtree(_RESOLVERS / name, ignore_errors=True)


def _names(listing: str) -> Sequence[str]:
    return [line.split()[0] for line in listing.splitlines() if line.strip()]
