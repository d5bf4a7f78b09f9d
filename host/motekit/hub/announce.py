"""Tells the network where the hub is (mDNS, `_mqtt._tcp`), so that boards offer it to pick."""

import asyncio
import socket

from zeroconf import Error, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from motekit.hub.listening import own_addresses

SERVICE = "_mqtt._tcp.local."
STOP_S = 2.0
RETRY_S = 10.0


def own_name() -> str:
    """The `.local` name under which boards find this machine while its hub runs."""
    return (socket.gethostname().split(".")[0] or "mote") + ".local"


class Announcement:
    """The hub's entry, from `start` to `stop`."""

    def __init__(self, port: int) -> None:
        host = own_name()
        name = host.removesuffix(".local")
        self._info = ServiceInfo(SERVICE, f"Mote hub on {name}.{SERVICE}", port, server=f"{host}.")
        self._zeroconf: AsyncZeroconf | None = None

    @property
    def name(self) -> str:
        """The instance, as it stands in the network's list of services."""
        return self._info.name

    @property
    def host(self) -> str:
        """This machine's `.local` name, with its final dot."""
        return str(self._info.server)

    async def start(self) -> bool:
        """True when it is announced; a machine without a network has nobody to tell."""
        try:
            addresses = own_addresses()
            if not addresses:
                return False
            self._zeroconf = AsyncZeroconf()
            self._info.addresses = [socket.inet_aton(one) for one in addresses]
            await self._zeroconf.async_register_service(self._info, allow_name_change=True)
        except (OSError, Error):
            await self.stop()
            return False
        return True

    async def keep_trying(self) -> None:
        """Announce it as soon as this machine has a network, which may start after the hub."""
        while not await self.start():
            await asyncio.sleep(RETRY_S)

    async def stop(self) -> None:
        """Take the entry back."""
        zeroconf, self._zeroconf = self._zeroconf, None
        if zeroconf:
            await asyncio.wait_for(zeroconf.async_close(), STOP_S)
