"""Gets a client logged in: finds the server, opens the connection, says why it cannot.

Loaded for that, and forgotten while the connection holds. Nothing here stands still except the
lookup of a name that is not `.local`, which the port only has as a blocking call.
"""

import asyncio
import select
import socket
import time
from errno import ECONNREFUSED, ECONNRESET, EHOSTUNREACH, EINPROGRESS, ENOMEM, ETIMEDOUT

from umqtt.simple import MQTTException

from mote import failure, memory
from mote.failure import Failure
from mote.mqtt import known_addresses
from mote.mqtt.client import Client
from mote.mqtt.link import Link
from mote.mqtt.packets import CLOSED, TLS_ALERT, ProtocolError

CONNECT_MS = 10_000
_STEP_MS = 20
# The numbers of lwIP and of Linux; the unix port has no names for them.
_IPPROTO_TCP = 6
_TCP_NODELAY = 1
# lwIP tells a refused connection as a reset one (err_to_errno, ERR_RST), other stacks by its name.
_REFUSED = (ECONNREFUSED, ECONNRESET)
# CONNACK return codes (3.2.2.3).
_SERVER_BUSY = 3
_WRONG_LOGIN = (2, 4, 5)


async def log_in(settings, progress=lambda step: None):
    """The `Client` of a configuration, logged in; it has published nothing yet. Raises Failure.

    `progress` is told "name", "server" and "login" as each step begins.
    """
    client, server = Client(settings), settings["mqtt"]
    if server["tls"] and not server["ca"] and not server.get("insecure"):
        # Encrypted, and with whom? Only who asked for that gets it.
        raise Failure(failure.NO_CA)
    over = await connect(client.server, client.port, server["tls"], server["ca"], progress)
    try:
        await client.connect(over)
    except MQTTException as error:
        raise _refused(error.args[0]) from None
    except ProtocolError as error:
        raise await _no_mqtt(error, client, server) from None
    except (OSError, ValueError, MemoryError) as error:
        raise _lost(error, server["tls"]) from None
    return client


async def connect(host, port, tls=False, ca="", progress=lambda step: None):
    """An open `Link`. `progress` is told "name", then "server", then "login".

    Raises Failure: NAME_NOT_FOUND, UNREACHABLE, REFUSED, NO_ANSWER, TLS, NO_MEMORY. The TLS
    handshake is done by the first write, which raises what `tls.explained` explains.
    """
    progress("name")
    # Whoever waits for a page gets it before a lookup that stops everything.
    await asyncio.sleep_ms(50)
    address = await _look_up(host, port)
    progress("server")
    if tls:
        from mote.mqtt import tls as layer

    sock = _socket()
    try:
        ahead = await _connected(sock, address)
        progress("login")
        return Link(sock, layer.secured(sock, host, ca) if tls else sock, ahead)
    except BaseException:
        sock.close()
        raise


async def _no_mqtt(error, client, server):
    """The Failure of a server that does not answer in MQTT, which may be for want of TLS."""
    told = str(error)
    if server["tls"]:
        return Failure(failure.NO_TLS if told == CLOSED else failure.NOT_MQTT, told)
    needs_tls = told == TLS_ALERT
    if told == CLOSED:
        # Most servers say nothing to a client that speaks without TLS: they are asked.
        from mote.mqtt import tls

        over = None
        try:
            over = await connect(client.server, client.port)
            needs_tls = await tls.expected_by(over)
        except (Failure, OSError):
            pass
        if over:
            over.close()
    return Failure(failure.NEEDS_TLS if needs_tls else failure.NOT_MQTT, told)


def _lost(error, of_tls):
    # mbedTLS has ValueError, ENOMEM and negative numbers; the rest is the network's, but a server
    # that does not speak TLS hangs up in the middle of the handshake, or waits for the rest of it.
    if isinstance(error, OSError) and error.errno > 0:
        if of_tls and error.errno in (ECONNRESET, ETIMEDOUT):
            return Failure(failure.NO_TLS, "errno %s" % error.errno)
        if not of_tls or error.errno != ENOMEM:
            return _server_failure(error)
    from mote.mqtt import tls

    return tls.explained(error)


def _refused(code):
    detail = "return code %d" % code
    if code in _WRONG_LOGIN:
        return Failure(failure.BAD_LOGIN, detail)
    return Failure(failure.REFUSED if code == _SERVER_BUSY else failure.NOT_MQTT, detail)


def _server_failure(error):
    """The Failure that an OSError on the way to a server stands for."""
    if error.errno in _REFUSED:
        return Failure(failure.REFUSED, "errno %s" % error.errno)
    if error.errno == EHOSTUNREACH:
        return Failure(failure.UNREACHABLE, "errno %s" % error.errno)
    return Failure(failure.NO_ANSWER, "errno %s" % error.errno)


async def _look_up(host, port):
    try:
        # The port's own lookup of a `.local` name stands still for 12 s when nobody answers.
        found = await _resolved(host) if host.lower().endswith(".local") else host
        address = socket.getaddrinfo(found, port, 0, socket.SOCK_STREAM)[0][-1] if found else None
    except (OSError, IndexError):
        address = None
    if address is None:
        address = known_addresses.get((host, port))
        if address is None:
            raise Failure(failure.NAME_NOT_FOUND, host)
        return address
    # A board has one server; while it is being set up, it may try some.
    if len(known_addresses) > 3:
        known_addresses.clear()
    known_addresses[(host, port)] = address
    return address


def _socket():
    try:
        return socket.socket()
    except OSError as error:
        # All ten sockets of the port are open.
        raise _server_failure(error) from None


async def _connected(sock, address):
    """Wait for the connection; the byte that a talkative server has already sent, if any."""
    sock.setblocking(False)
    try:
        sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
        try:
            sock.connect(address)
        except OSError as error:
            if error.errno != EINPROGRESS:
                raise
        poller = select.poll()
        poller.register(sock, select.POLLOUT)
        started = time.ticks_ms()
        while not poller.poll(0):
            if time.ticks_diff(time.ticks_ms(), started) > CONNECT_MS:
                raise OSError(ETIMEDOUT)
            await asyncio.sleep_ms(_STEP_MS)
        # The port has no getsockopt: reading tells whether the connection is there.
        return sock.read(1) or b""
    except OSError as error:
        raise _server_failure(error) from None


async def _resolved(host):
    from mote.mqtt import mdns

    try:
        return await mdns.resolve(host)
    finally:
        memory.forget("mote.mqtt.mdns")
