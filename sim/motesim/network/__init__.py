"""How boards, phones and hosts reach each other: one interface, two kinds.

`loopback` works everywhere without rights: addresses are translated to ports of 127.0.0.1.
`namespaces` (Linux, root) gives every board, phone and host a network with real addresses.
"""

from abc import ABC, abstractmethod

from motesim.air import AccessPoint

Address = tuple[str, str, str, str]


class BoardNetwork(ABC):
    """The network of one board. Addresses are (address, netmask, gateway, name server)."""

    # True where the sockets of the board are translated by the world.
    mapped: bool
    # What stands before the command line of the board's process.
    prefix: list[str]
    # What the board's own access point was set to: phones allowed at a time, and its password.
    max_clients: int = 4
    key: str = ""

    @abstractmethod
    async def station_up(self, ap: AccessPoint, static: Address | None) -> Address | None:
        """Associated: the address that DHCP gave, or None where nobody answers."""

    @abstractmethod
    async def station_down(self) -> None:
        """No longer associated: packets go nowhere, connections fall silent."""

    @abstractmethod
    async def access_point_up(self, ssid: str) -> None:
        """The board's own network is on the air, with its DHCP server."""

    @abstractmethod
    async def access_point_down(self) -> None:
        """The board's own network is gone."""

    @abstractmethod
    async def phones_dropped(self) -> None:
        """The channel moved: who was associated has to associate again."""

    @abstractmethod
    def stations(self) -> list[str]:
        """MAC addresses, in hex, of the phones on the board's own network."""

    @abstractmethod
    async def power_lost(self) -> None:
        """The chip stopped: no FIN, no RST, just silence on every connection."""

    @abstractmethod
    async def close(self) -> None:
        """Remove everything that was made for this board."""


class Network(ABC):
    """The kind of network that a world uses."""

    async def open(self) -> None:
        """Make what is there before any board or access point is."""
        return

    @abstractmethod
    async def board(self, name: str, index: int) -> BoardNetwork:
        """The network of a new board."""

    @abstractmethod
    async def add_access_point(self, ap: AccessPoint) -> None:
        """Make the network behind an access point."""

    @abstractmethod
    async def close(self) -> None:
        """Remove everything that was made."""
