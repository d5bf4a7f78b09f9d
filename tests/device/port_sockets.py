"""`socket` as the ESP32 port has it: a receive of 0 bytes ends a socket, on UDP as well.

From then on each receive returns empty at once (ports/esp32/modsocket.c, `_socket_read_data`; seen
on the official 1.27 image). The unix runtime that runs these tests goes on receiving.
"""

import socket as native
from socket import AF_INET, SOCK_DGRAM, getaddrinfo  # noqa: F401

opened = []


class socket:  # noqa: N801
    def __init__(self, *kind):
        self._native = native.socket(*kind)
        self._peer_closed = False
        self.closed = False
        opened.append(self)

    def recv(self, size):
        return self.recvfrom(size)[0]

    def recvfrom(self, size):
        if self._peer_closed:
            return b"", ("0.0.0.0", 0)
        data, sender = self._native.recvfrom(size)
        self._peer_closed = not data
        return data, sender

    def close(self):
        self.closed = True
        self._native.close()

    def __getattr__(self, name):
        return getattr(self._native, name)
