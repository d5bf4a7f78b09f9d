"""Announces an MQTT server by mDNS until it is ended.

`mdns_server.py <address> <name> <host> <file>`; the file is made when it is announced.
"""

import signal
import socket
import sys
from pathlib import Path

from zeroconf import IPVersion, ServiceInfo, Zeroconf

SERVICE = "_mqtt._tcp.local."


def main(address: str, name: str, host: str, done: str) -> None:
    # The interface by its address: with all of them the answers could leave by another.
    announcer = Zeroconf(interfaces=[address], ip_version=IPVersion.V4Only)
    announcer.register_service(
        ServiceInfo(
            SERVICE,
            f"{name}.{SERVICE}",
            addresses=[socket.inet_aton(address)],
            port=1883,
            server=host,
        )
    )
    Path(done).touch()
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
