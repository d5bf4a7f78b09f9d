"""Who answers multicast DNS in the home network of the loopback world (RFC 6762, RFC 6763).

Every host with a `.local` name answers for its name; one that serves port 1883 offers `_mqtt._tcp`.
In network namespaces the hosts answer for themselves.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable

from zeroconf import const
from zeroconf._dns import DNSAddress, DNSPointer, DNSService
from zeroconf._protocol.incoming import DNSIncoming
from zeroconf._protocol.outgoing import DNSOutgoing

from motesim.network.hosts import Host

SERVICE = "_mqtt._tcp.local."
MQTT_PORT = 1883
TTL_S = 120


class Neighbours(asyncio.DatagramProtocol):
    """A port of this machine that stands for the multicast group."""

    def __init__(self, hosts: Callable[[], Iterable[Host]]) -> None:
        self._hosts = hosts
        self._transport: asyncio.DatagramTransport | None = None

    async def address(self) -> tuple[str, int]:
        """Where questions go; opened at the first one."""
        if self._transport is None:
            loop = asyncio.get_running_loop()
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: self, local_addr=("127.0.0.1", 0)
            )
        host, port = self._transport.get_extra_info("sockname")
        return str(host), int(port)

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def datagram_received(self, data: bytes, sender: tuple[str | object, int]) -> None:
        query = DNSIncoming(data)
        if not query.valid or not self._transport:
            return
        answer = DNSOutgoing(const._FLAGS_QR_RESPONSE | const._FLAGS_AA, multicast=False)
        for question in query.questions:
            for host in self._hosts():
                self._answer(answer, query, question.name.lower(), question.type, host)
        if answer.answers:
            for packet in answer.packets():
                self._transport.sendto(packet, sender)

    def _answer(
        self, answer: DNSOutgoing, query: DNSIncoming, name: str, kind: int, host: Host
    ) -> None:
        local = host.name + "."
        address = DNSAddress(
            local, const._TYPE_A, const._CLASS_IN, TTL_S, socket.inet_aton(host.address)
        )
        if not host.name.endswith(".local"):
            return
        if name == local.lower() and kind in (const._TYPE_A, const._TYPE_ANY):
            answer.add_answer(query, address)
        if name == SERVICE and kind == const._TYPE_PTR and MQTT_PORT in host.ports:
            instance = f"{host.name.removesuffix('.local')}.{SERVICE}"
            answer.add_answer(
                query, DNSPointer(SERVICE, const._TYPE_PTR, const._CLASS_IN, TTL_S, instance)
            )
            answer.add_additional_answer(
                DNSService(
                    instance, const._TYPE_SRV, const._CLASS_IN, TTL_S, 0, 0, MQTT_PORT, local
                )
            )
            answer.add_additional_answer(address)
