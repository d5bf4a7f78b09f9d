"""A network with real addresses: a namespace for every board, phone and host (Linux, root).

An access point is a bridge with a router: address, DHCP and DNS by dnsmasq. A station is a veth
that is plugged into the bridge while it is associated, with a real DHCP client.
"""

import asyncio
import contextlib
import json
import signal
import tempfile
from pathlib import Path

from motekit.supervision import logged

from motesim.air import AccessPoint
from motesim.errors import SimulationError
from motesim.network import Address, BoardNetwork, Network
from motesim.network.netns import Namespace, remove_stale, run, wire

DHCP_CLIENT = Path(__file__).with_name("udhcpc-script")
PORTAL = "192.168.4.1"
REJOIN_S = 3.0
DHCP_S = 6


class NamespaceNetwork(Network):
    """`hosts` are machines in the home network where a test starts its servers."""

    def __init__(self) -> None:
        self._air: Namespace | None = None
        self._routers: dict[str, Router] = {}
        self._made: list[Namespace] = []
        self._files = tempfile.TemporaryDirectory(prefix="mote-net-")

    async def board(self, name: str, index: int) -> "NamespaceBoard":
        space = await self._space(f"b{index}")
        return NamespaceBoard(space, await self._the_air(), self._routers, index)

    async def add_access_point(self, ap: AccessPoint) -> None:
        number = len(self._routers)
        if number:
            ap.subnet = f"192.168.{50 + number}"
        folder = Path(self._files.name)
        router = Router(await self._the_air(), ap, f"br{number}", folder)
        self._routers[ap.ssid] = router
        await router.open()

    async def add_host(self, ap: AccessPoint, name: str, number: int = 10) -> Namespace:
        """A machine `name` at `<subnet>.<number>` behind an access point."""
        space = await self._space(f"h{len(self._made)}")
        router = self._routers[ap.ssid]
        address = f"{ap.subnet}.{number}"
        await router.plug(space, "eth0", f"h{len(self._made)}")
        await space.ip("addr", "add", f"{address}/24", "dev", "eth0")
        await space.ip("route", "add", "default", "via", f"{ap.subnet}.1")
        router.name(name, address)
        return space

    async def phone(self, board: "NamespaceBoard") -> "Phone":
        """A phone that is switched on near a board."""
        number = len(self._made)
        return Phone(await self._space(f"p{number}"), board, number)

    async def close(self) -> None:
        for router in self._routers.values():
            await router.close()
        for space in self._made:
            await space.remove()
        self._files.cleanup()

    async def _the_air(self) -> Namespace:
        if self._air is None:
            await remove_stale()
            self._air = await self._space("air")
        return self._air

    async def _space(self, role: str) -> Namespace:
        space = await Namespace(role).make()
        self._made.append(space)
        return space


class Router:
    """What is behind an access point: a bridge, DHCP and DNS."""

    def __init__(self, air: Namespace, ap: AccessPoint, bridge: str, folder: Path) -> None:
        self._air = air
        self._ap = ap
        self._bridge = bridge
        self._hosts = folder / f"{bridge}.hosts"
        self._leases = folder / f"{bridge}.leases"
        self._daemon: asyncio.subprocess.Process | None = None

    async def open(self) -> None:
        subnet = self._ap.subnet
        self._hosts.write_text("")
        await self._air.ip("link", "add", self._bridge, "type", "bridge")
        await self._air.ip("addr", "add", f"{subnet}.1/24", "dev", self._bridge)
        await self._air.ip("link", "set", self._bridge, "up")
        self._daemon = await self._air.spawn(
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root"),
            *("--no-hosts", "--no-resolv", "--bind-interfaces", f"--interface={self._bridge}"),
            "--except-interface=lo",
            *(f"--addn-hosts={self._hosts}", f"--dhcp-leasefile={self._leases}", "--pid-file="),
            *(f"--dhcp-range={subnet}.100,{subnet}.199,1h", "--dhcp-authoritative", "--no-ping"),
        )

    async def plug(self, space: Namespace, end: str, port: str) -> None:
        """Connect interface `end` of a namespace to the bridge."""
        await wire(space, end, self._air, port)
        await self._air.ip("link", "set", port, "master", self._bridge)

    async def unplug(self, port: str) -> None:
        with contextlib.suppress(SimulationError):
            await self._air.ip("link", "del", port)

    def name(self, name: str, address: str) -> None:
        """Give `address` a name in the router's DNS."""
        with self._hosts.open("a") as hosts:
            hosts.write(f"{address} {name}\n")
        if self._daemon is None or self._daemon.returncode is not None:
            raise SimulationError(f"the router of {self._ap.ssid} does not run: is port 53 taken?")
        self._daemon.send_signal(signal.SIGHUP)

    async def close(self) -> None:
        if self._daemon:
            await self._air.end(self._daemon)


class NamespaceBoard(BoardNetwork):
    mapped = False

    def __init__(
        self, space: Namespace, air: Namespace, routers: dict[str, Router], index: int
    ) -> None:
        self.space = space
        self.prefix = space.prefix
        self._routers = routers
        self._port = f"s{index}"
        self._router: Router | None = None
        self._dhcp_server: asyncio.subprocess.Process | None = None
        self._phones: dict[str, Phone] = {}
        self._rejoining: set[asyncio.Task[None]] = set()

    async def station_up(self, ap: AccessPoint, static: Address | None) -> Address | None:
        self._router = self._routers[ap.ssid]
        await self._router.unplug(self._port)
        await self._router.plug(self.space, "sta0", self._port)
        if static:
            await self.space.ip("addr", "add", f"{static[0]}/24", "dev", "sta0")
            await self.space.ip("route", "replace", "default", "via", static[2])
            return static
        if not ap.dhcp:
            return None
        address = await lease(self.space, "sta0")
        gateway = f"{ap.subnet}.1"
        return (address, "255.255.255.0", gateway, gateway) if address else None

    async def station_down(self) -> None:
        if self._router:
            await self._router.unplug(self._port)
            self._router = None

    async def access_point_up(self, ssid: str) -> None:
        await self.space.ip("link", "add", "ap0", "type", "bridge")
        await self.space.ip("addr", "add", f"{PORTAL}/24", "dev", "ap0")
        await self.space.ip("link", "set", "ap0", "up")
        # The DHCP server of ESP-IDF: a few addresses, itself as router and name server.
        self._dhcp_server = await self.space.spawn(
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root"),
            *("--port=0", "--interface=ap0", "--bind-interfaces", "--pid-file=", "--no-ping"),
            *("--dhcp-range=192.168.4.2,192.168.4.20,2h", "--dhcp-leasefile=/dev/null"),
            *(f"--dhcp-option=3,{PORTAL}", f"--dhcp-option=6,{PORTAL}", "--dhcp-authoritative"),
        )

    async def access_point_down(self) -> None:
        if self._dhcp_server:
            await self.space.end(self._dhcp_server)
            self._dhcp_server = None
        for phone in list(self._phones.values()):
            await phone.leave()
        with contextlib.suppress(SimulationError):
            await self.space.ip("link", "del", "ap0")

    async def phones_dropped(self) -> None:
        for phone in list(self._phones.values()):
            await phone.leave()
            task = asyncio.create_task(logged("a phone that joins again", phone.rejoin()))
            self._rejoining.add(task)
            task.add_done_callback(self._rejoining.discard)

    def stations(self) -> list[str]:
        return list(self._phones)

    async def power_lost(self) -> None:
        await self.station_down()
        await self.access_point_down()

    async def close(self) -> None:
        for task in self._rejoining:
            task.cancel()

    def associated(self, phone: "Phone", present: bool) -> None:
        if present:
            self._phones[phone.mac] = phone
        else:
            self._phones.pop(phone.mac, None)


class Phone:
    """A phone in its own namespace; `prefix` runs a program (a browser) on it."""

    def __init__(self, space: Namespace, board: NamespaceBoard, number: int) -> None:
        self.prefix = space.prefix
        self.mac = f"0200000000{number:02x}"
        self.address = ""
        self._key = ""
        self._space = space
        self._board = board
        self._port = f"p{number}"

    async def join(self, key: str = "") -> None:
        """Join the board's network and take an address. Raises SimulationError when it cannot."""
        if key != self._board.key:
            raise SimulationError("the board's network did not accept the password")
        if len(self._board.stations()) >= self._board.max_clients:
            raise SimulationError("the board's network is full")
        self._key = key
        await wire(self._space, "wlan0", self._board.space, self._port)
        await self._board.space.ip("link", "set", self._port, "master", "ap0")
        self._board.associated(self, True)
        self.address = await lease(self._space, "wlan0")
        if not self.address:
            raise SimulationError("the board's network gave the phone no address")

    async def leave(self) -> None:
        self._board.associated(self, False)
        with contextlib.suppress(SimulationError):
            await self._board.space.ip("link", "del", self._port)

    async def rejoin(self) -> None:
        """A phone that was thrown off a network it knows joins again by itself."""
        await asyncio.sleep(REJOIN_S)
        with contextlib.suppress(SimulationError):
            await self.join(self._key)


async def lease(space: Namespace, interface: str) -> str:
    """Ask for an address by DHCP (RFC 2131); empty when nobody answers."""
    tries = ("-t", str(DHCP_S), "-T", "1", "-n", "-q", "-f")
    with contextlib.suppress(SimulationError):
        await run(*space.prefix, "udhcpc", "-i", interface, *tries, "-s", str(DHCP_CLIENT))
    found = json.loads(await space.ip("-j", "-4", "addr", "show", "dev", interface))
    entries = found[0].get("addr_info", []) if found else []
    return entries[0]["local"] if entries else ""
