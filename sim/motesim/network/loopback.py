"""A network without rights: what a board does ends at ports of 127.0.0.1, through relays.

The relays are what makes it a radio: when the WiFi is gone or the power is cut, a connection falls
silent instead of being reset, and lost packets are late ones.
"""

import asyncio
import socket

from mote import contract

from motesim.air import AccessPoint
from motesim.errors import Silicon
from motesim.network import Address, BoardNetwork, Network
from motesim.network.hosts import Host
from motesim.network.neighbours import Neighbours
from motesim.network.ports import free_port
from motesim.network.relay import Relay, blackhole
from motesim.network.time_server import TimeServer
from motesim.network.visitor import Visitor

AP_ADDRESS = "192.168.4.1"
# A client of the board's own network, and the last number of one in the network that it joined.
PHONE = "192.168.4.2"
NEIGHBOUR = 77
ANY_ADDRESS = ("", "0.0.0.0")
MDNS_GROUP = "224.0.0.251"
NTP_PORT = 123
# For documentation only (RFC 5737): nobody's.
INTERNET = "203.0.113"
WRONG_NAME_S = 0.026
WRONG_LOCAL_NAME_S = 12
LWIP_EHOSTUNREACH = 118
# MicroPython's modsocket.c raises lwIP's EAI_FAIL for a name that nobody knows.
NAME_UNKNOWN = -202


class LoopbackNetwork(Network):
    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        self.neighbours = Neighbours(lambda: self.hosts.values())
        self.time_server = TimeServer()

    async def open(self) -> None:
        """The internet behind every access point: its time servers."""
        at = await self.time_server.open()
        for number, name in enumerate(contract.NTP_SERVERS):
            self.add_host(name, f"{INTERNET}.{number + 1}", {NTP_PORT: at})

    def add_host(self, name: str, address: str, ports: dict[int, tuple[str, int]]) -> None:
        """Make services of this machine reachable under a name and address of the home network."""
        self.hosts[name.lower()] = Host(name, address, ports)

    async def board(self, name: str, index: int) -> "LoopbackBoard":
        return LoopbackBoard(self, index)

    async def add_access_point(self, ap: AccessPoint) -> None:
        """Nothing to make: every access point leads to the same hosts."""

    async def close(self) -> None:
        self.neighbours.close()
        self.time_server.close()


class LoopbackBoard(BoardNetwork):
    mapped = True

    def __init__(self, network: LoopbackNetwork, index: int) -> None:
        self._network = network
        self._index = index
        self.prefix = []
        self._relays: set[Relay] = set()
        self._link = asyncio.Event()
        self._ports: dict[tuple[int, bool], int] = {}
        # The port that stands for port 80 of the address in the joined network, once it listens.
        self.station_port: int | None = None
        self._ap: AccessPoint | None = None
        self._has_soft_ap = False
        self.visitor = Visitor(self._portal_port)

    async def station_up(self, ap: AccessPoint, static: Address | None) -> Address | None:
        self._ap = ap
        self._link.set()
        if static:
            return static
        if not ap.dhcp:
            return None
        await asyncio.sleep(0.4)
        gateway = f"{ap.subnet}.1"
        return (f"{ap.subnet}.{20 + self._index}", "255.255.255.0", gateway, gateway)

    async def station_down(self) -> None:
        self._ap = None
        self._link.clear()
        # ESP-IDF takes the address from the interface, and lwIP aborts what was connected with it.
        self._connections_gone()

    async def access_point_up(self, ssid: str) -> None:
        self._has_soft_ap = True
        await self.visitor.open()

    async def access_point_down(self) -> None:
        self._has_soft_ap = False
        await self.visitor.drop()

    async def phones_dropped(self) -> None:
        await self.visitor.drop(returns=True)

    def stations(self) -> list[str]:
        return ["020000000001"] if self.visitor.present else []

    async def power_lost(self) -> None:
        self._has_soft_ap = False
        self._ap = None
        self._link.clear()
        self._ports.clear()
        self.station_port = None
        self._connections_gone()
        await self.visitor.drop()

    async def close(self) -> None:
        for relay in list(self._relays):
            await relay.close()
        await self.visitor.close()

    def _connections_gone(self) -> None:
        for relay in self._relays:
            relay.board_gone()

    def dns_port(self) -> int | None:
        """The UDP port of this machine that stands for port 53 of the board, once it listens."""
        return self._ports.get((53, True))

    def _portal_port(self) -> int | None:
        return self._ports.get((80, False)) if self._has_soft_ap else None

    async def net_resolve(self, name: str) -> str:
        if name.replace(".", "").isdigit():
            return name
        if not self._ap:
            raise Silicon("OSError", NAME_UNKNOWN)
        host = self._network.hosts.get(name.lower())
        if host is None:
            await asyncio.sleep(WRONG_LOCAL_NAME_S if name.endswith(".local") else WRONG_NAME_S)
            raise Silicon("OSError", NAME_UNKNOWN)
        return host.address

    async def net_connect(self, address: str, port: int) -> tuple[str, int]:
        if address == AP_ADDRESS and (port, False) in self._ports:
            return "127.0.0.1", self._ports[port, False]
        if not self._ap:
            raise Silicon("OSError", LWIP_EHOSTUNREACH)
        host = next((h for h in self._network.hosts.values() if h.address == address), None)
        if host is None:
            return blackhole()
        target = host.ports.get(port)
        if target is None:
            return "127.0.0.1", free_port()
        relay = Relay(
            target,
            self._link,
            # The station notices seconds later that its access point is gone; packets are lost.
            lambda: self._ap.loss if self._ap and self._ap.up else 1.0,
            lambda: self._ap.delay_s if self._ap else 0.0,
        )
        entrance = await relay.open()
        if entrance is None:
            return "127.0.0.1", free_port()
        self._relays.add(relay)
        relay.on_end = self._relays.discard
        return entrance

    async def net_datagram(self, address: str, port: int) -> tuple[str, int]:
        if address == AP_ADDRESS and (port, True) in self._ports:
            return "127.0.0.1", self._ports[port, True]
        if address == MDNS_GROUP:
            if not self._ap:
                raise Silicon("OSError", LWIP_EHOSTUNREACH)
            return await self._network.neighbours.address()
        for host in self._network.hosts.values():
            if host.address == address:
                if not self._ap:
                    raise Silicon("OSError", LWIP_EHOSTUNREACH)
                return host.ports.get(port) or ("127.0.0.1", free_port(socket.SOCK_DGRAM))
        # Answers of the board's own DNS go back to where the question came from.
        return ("127.0.0.1" if address == PHONE else address), port

    def net_peer(self, bound: str) -> str:
        """The address of whoever reaches a socket that is bound to `bound`."""
        if bound in (*ANY_ADDRESS, AP_ADDRESS):
            return PHONE
        return f"{bound.rpartition('.')[0]}.{NEIGHBOUR}"

    async def net_bind(self, host: str, port: int, datagram: bool) -> tuple[str, int]:
        kind = socket.SOCK_DGRAM if datagram else socket.SOCK_STREAM
        if host not in (*ANY_ADDRESS, AP_ADDRESS):
            self.station_port = self.station_port or free_port(kind)
            return "127.0.0.1", self.station_port
        # Who binds a port anew is found where it was.
        if (port, datagram) not in self._ports:
            self._ports[port, datagram] = free_port(kind)
        return "127.0.0.1", self._ports[port, datagram]
