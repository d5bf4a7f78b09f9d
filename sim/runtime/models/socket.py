"""`socket` of the ESP32 port over the runtime's own: ten sockets in all, lwIP's error numbers.

With real addresses (network namespaces) calls go straight through. On loopback (`_mapped`) the
world is asked where an address leads and which port of this machine stands for port 80 or 53.
"""

import io
import select

import idf_heap
import usocket as native
import world
from usocket import (
    AF_INET,
    AF_INET6,
    SO_BROADCAST,
    SO_REUSEADDR,
    SOCK_DGRAM,
    SOCK_STREAM,
    SOL_SOCKET,
)

IPPROTO_TCP = 6
IPPROTO_UDP = 17
IPPROTO_IP = 0
TCP_NODELAY = 1
SOCK_RAW = 3
# CONFIG_LWIP_MAX_SOCKETS of the port's sdkconfig.base.
_LIMIT = 10
_ENFILE = 23
# Linux's number -> lwIP's (esp-idf, lwip/err.h through newlib's errno.h).
_LWIP = {
    98: 112,
    99: 118,
    101: 118,
    103: 113,
    106: 127,
    107: 128,
    110: 116,
    111: 104,
    113: 118,
    114: 120,
    115: 119,
}
_POLLNVAL = 32
_mapped = False
_open = 0


def _translated(error):
    return OSError(_LWIP.get(error.errno, error.errno))


def _resolve(host, port):
    """The runtime's own form of an address."""
    try:
        return native.getaddrinfo(host, port)[0][-1]
    except OSError:
        raise OSError(-202) from None


def _pair(address):
    _, packed, port = native.sockaddr(address)[:3]
    return ".".join(str(byte) for byte in packed), port


def getaddrinfo(host, port, *hints):
    if not _mapped:
        address = _pair(_resolve(host, port))[0]
    else:
        address = world.ask("net.resolve", host)
    return [(AF_INET, SOCK_STREAM, 0, "", (address, port))]


class socket(io.IOBase):
    def __init__(self, af=AF_INET, type=SOCK_STREAM, proto=IPPROTO_TCP, *, _accepted=None):
        global _open
        if _open >= _LIMIT:
            if _accepted:
                _accepted.close()
            raise OSError(_ENFILE)
        self._native = _accepted or native.socket(af, type)
        self._type = type
        # The address bound to, where the world translates addresses.
        self._at = None
        self._poller = None
        self._peer_closed = False
        self._buffers = None
        if _accepted:
            self._buffers = idf_heap.Connection()
        elif type == SOCK_STREAM:
            self._buffers = idf_heap.of_client()
        _open += 1

    def close(self):
        global _open
        if self._native:
            self._native.close()
            self._native = None
            _open -= 1
            if self._buffers:
                self._buffers.close()

    def __del__(self):
        self.close()

    def _call(self, method, *arguments):
        if not self._native:
            raise OSError(9)
        try:
            return getattr(self._native, method)(*arguments)
        except OSError as error:
            raise _translated(error) from None

    def bind(self, address):
        host, port = address[:2]
        if _mapped:
            self._at = host
            host, port = world.ask("net.bind", host, port, self._type == SOCK_DGRAM)
        self._call("bind", _resolve(host or "0.0.0.0", port))

    def _peer(self, address):
        """Who sent something: on loopback, somebody in the network of the address bound to."""
        host, port = _pair(address)
        if self._at is not None:
            host = world.ask("net.peer", self._at)
        return host, port

    def listen(self, backlog=5):
        self._call("listen", backlog)

    def accept(self):
        if idf_heap.starved():
            raise OSError(11)
        accepted, address = self._call("accept")
        return socket(_accepted=accepted), self._peer(address)

    def connect(self, address):
        host, port = address[:2]
        if _mapped:
            kind = "net.datagram" if self._type == SOCK_DGRAM else "net.connect"
            host, port = world.ask(kind, host, port)
        idf_heap.look()
        self._call("connect", _resolve(host, port))

    def send(self, data):
        return self._call("send", data)

    def sendall(self, data):
        self._call("sendall", data)

    def sendto(self, data, address):
        host, port = address[:2]
        if _mapped:
            host, port = world.ask("net.datagram", host, port)
        return self._call("sendto", data, _resolve(host, port))

    def _received(self, count):
        """The port takes a receive of 0 bytes for the end of the connection, on UDP as well.

        From then on every receive returns empty at once, and what arrives is never read
        (ports/esp32/modsocket.c, `_socket_read_data`; seen on the official 1.27 image).
        """
        if count == 0:
            self._peer_closed = True

    def recv(self, size):
        if self._peer_closed:
            return b""
        data = self._call("recv", size)
        self._received(len(data))
        return data

    def recvfrom(self, size):
        if self._peer_closed:
            # The port leaves the address as it finds it on its stack.
            return b"", ("0.0.0.0", 0)
        data, address = self._call("recvfrom", size)
        self._received(len(data))
        return data, self._peer(address)

    def read(self, size=-1):
        if self._peer_closed:
            return b""
        if self._buffers and idf_heap.starved():
            return None
        self._look_at_unread()
        data = self._call("read", size) if size >= 0 else self._call("read")
        if data is not None and size:
            self._received(len(data))
        return data

    def readinto(self, buffer, *size):
        if self._peer_closed:
            return 0
        if self._buffers and idf_heap.starved():
            return None
        self._look_at_unread()
        count = self._call("readinto", buffer, *size)
        if count is not None and len(buffer):
            self._received(count)
        return count

    def readline(self, *size):
        return self._call("readline", *size)

    def write(self, data, *limits):
        if not self._buffers:
            return self._call("write", data, *limits)
        room = self._buffers.room()
        if room <= 0:
            return None
        sent = self._call("write", memoryview(data)[:room], *limits)
        self._buffers.sent(sent or 0)
        return sent

    def makefile(self, *mode):
        return self

    def fileno(self):
        return self._native.fileno() if self._native else -1

    def setblocking(self, flag):
        self._call("setblocking", flag)

    def settimeout(self, seconds):
        # The port waits in steps of 100 ms.
        if seconds:
            seconds = -(-seconds * 10 // 1) / 10
        self._call("settimeout", seconds)

    def setsockopt(self, level, option, value):
        if level == IPPROTO_TCP and option != TCP_NODELAY:
            raise OSError(92)
        self._call("setsockopt", level, option, value)

    def ioctl(self, request, argument):
        if request == 4:
            self.close()
            return 0
        if request == 3:
            return self._ready(argument)
        if request == 10:
            return self.fileno()
        return 0

    def _look_at_unread(self):
        """What has arrived takes its room until it is read."""
        if self._buffers and self._buffers.is_client:
            self._buffers.unread = bool(self._ready(select.POLLIN) & select.POLLIN)
            idf_heap.look()

    def _ready(self, flags):
        """What of `flags` is so now: TLS polls what it is laid over by this, not by `fileno`."""
        if not self._native:
            return _POLLNVAL
        if not self._poller:
            self._poller = select.poll()
        self._poller.register(self._native, flags)
        for _, ready in self._poller.ipoll(0):
            return ready
        return 0
