"""Tells the network where the hub is (mDNS), so that boards offer it to pick.

`_mqtt._tcp` is a server without TLS; a hub with TLS only is never announced as one, because a board
would send its password there in clear. `_secure-mqtt._tcp` is one with TLS.
"""

import asyncio
import socket

from zeroconf import Error, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from motekit.hub.listening import own_addresses

SERVICE = "_mqtt._tcp.local."
SECURE_SERVICE = "_secure-mqtt._tcp.local."
STOP_S = 2.0
RETRY_S = 10.0


def own_name() -> str:
    """The `.local` name under which boards find this machine while its hub runs."""
    return (socket.gethostname().split(".")[0] or "mote") + ".local"


class Announcement:
    """The hub's entries, from `start` to `stop`: without TLS if `plain`, with TLS if `tls_port`."""

    def __init__(self, port: int, tls_port: int | None = None, *, plain: bool = True) -> None:
        host = own_name()
        name = host.removesuffix(".local")
        services = [(SERVICE, port)] if plain else []
        services += [(SECURE_SERVICE, tls_port)] if tls_port else []
        self._infos = [
            ServiceInfo(service, f"Mote hub on {name}.{service}", number, server=f"{host}.")
            for service, number in services
        ]
        self._zeroconf: AsyncZeroconf | None = None

    @property
    def name(self) -> str:
        """The first instance, as it stands in the network's list of services."""
        return self._infos[0].name

    @property
    def host(self) -> str:
        """This machine's `.local` name, with its final dot."""
        return str(self._infos[0].server)

    async def start(self) -> bool:
        """True when it is announced; a machine without a network has nobody to tell."""
        try:
            addresses = own_addresses()
            if not addresses:
                return False
            self._zeroconf = AsyncZeroconf()
            for info in self._infos:
                info.addresses = [socket.inet_aton(one) for one in addresses]
                await self._zeroconf.async_register_service(info, allow_name_change=True)
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
