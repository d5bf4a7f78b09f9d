"""Machines of the home network, as the loopback world knows them."""

from dataclasses import dataclass, field


@dataclass
class Host:
    """A machine in the home network: port → (address, port) of this machine's service."""

    name: str
    address: str
    ports: dict[int, tuple[str, int]] = field(default_factory=dict)
