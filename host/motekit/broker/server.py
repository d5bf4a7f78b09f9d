"""The broker on asyncio: sockets, back-pressure, group commit."""

import asyncio
import contextlib
import errno
import functools
import ipaddress
import logging
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from motekit.broker.backend import Backend, CommitError
from motekit.broker.core import Broker, Connection, PendingBatch
from motekit.broker.limits import Limits

LOGGER = logging.getLogger(__name__)
TICK_S = 0.25
# While the application cannot store anything.
RETRY_S = 1.0
# How long a connection that is closed may take to send its last packets, and how long a client may
# take to close its side after it was told why.
CLOSE_S = 5.0
LINGER_S = 1.0
STOP_S = 2.0
BACKLOG = 512
# Connections that are accepted at once, before any of them is looked at.
ACCEPTED_AT_ONCE = 16
# What the kernel does not take is kept by the transport; above this much reading stops.
WRITE_HIGH_BYTES = 256 * 1024
# Descriptors that the rest of the process needs.
_RESERVED_DESCRIPTORS = 256
_KEEP_ALIVE_IDLE_S, _KEEP_ALIVE_INTERVAL_S, _KEEP_ALIVE_COUNT = 60, 15, 4


class Server:
    """Serves MQTT clients on `sockets`, which listen already and are closed by `stop`.

    Clients of the sockets in `secure` speak TLS; each goes with its context.
    """

    def __init__(
        self,
        backend: Backend,
        sockets: Sequence[socket.socket],
        limits: Limits | None = None,
        secure: Sequence[tuple[socket.socket, ssl.SSLContext]] = (),
    ) -> None:
        self.broker: Broker
        self._backend = backend
        self._listeners: list[tuple[socket.socket, ssl.SSLContext | None]] = [
            *((one, None) for one in sockets),
            *secure,
        ]
        self._limits = within_descriptors(limits or Limits())
        self._servers: list[asyncio.Server] = []
        self._transports: set[_ClientProtocol] = set()
        self._work: asyncio.Event
        self._idle: asyncio.Event
        self._tasks: list[asyncio.Task[None]] = []
        self._flushing = False

    async def start(self) -> None:
        """Restore what was committed, and accept clients."""
        self._loop = asyncio.get_running_loop()
        self._work, self._idle = asyncio.Event(), asyncio.Event()
        saved = await asyncio.to_thread(self._backend.load)
        self._loop.set_exception_handler(self._handle_exception)
        now = self._loop.time()
        self.broker = Broker(self._backend, self._limits, saved, now, time.time_ns())
        self._tasks = [
            asyncio.create_task(self._keep("commits", self._commit_batches)),
            asyncio.create_task(self._keep("timers", self._tick)),
        ]
        self._changed()
        for one, tls in self._listeners:
            protocol = functools.partial(_ClientProtocol, self, tls)
            self._servers.append(
                await self._loop.create_server(protocol, sock=one, backlog=ACCEPTED_AT_ONCE)
            )
            # asyncio has one number for both.
            one.listen(BACKLOG)

    async def stop(self) -> None:
        """Disconnect everybody, with their wills, and wait a little until that is durable."""
        for server in self._servers:
            server.close()
        for one, _ in self._listeners:
            one.close()
        if not self._tasks:
            return
        self._set_time()
        self.broker.shut_down()
        self._changed()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._idle.wait(), STOP_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for protocol in list(self._transports):
            protocol.abort()

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        """Publish a message of the application, without waiting for anyone."""
        self._set_time()
        self.broker.publish(topic, payload, qos, retain)
        self._changed()

    def _handle_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Say once a minute that no descriptors are left: asyncio does hundreds of times."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            self.broker.log.log(
                logging.WARNING,
                "descriptors",
                "No more connections are accepted for now (%s): allow this process more open "
                "files, for example with `ulimit -n`",
                error.strerror,
            )
        else:
            loop.default_exception_handler(context)

    def _set_time(self) -> None:
        self.broker.set_time(self._loop.time(), time.time_ns())

    def _changed(self) -> None:
        """Something happened in the broker: flush once, when everything that is ready was read."""
        self._idle.clear()
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self._work.set()
        self._flush_connections()

    def _flush_connections(self) -> None:
        for connection in self.broker.take_changed():
            protocol = connection.owner
            if isinstance(protocol, _ClientProtocol):
                try:
                    protocol.flush()
                except Exception:
                    # The others are not to wait for what they are sent.
                    LOGGER.exception("Sending to %s failed", connection.address)
                    protocol.abort()

    async def _keep(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` for as long as the broker runs, whatever happens in it."""
        while True:
            try:
                await work()
            except Exception:
                LOGGER.exception("The %s of the broker failed, they go on", what)
                self._work.set()
                await asyncio.sleep(TICK_S)

    async def _commit_batches(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while batch := self.broker.take_batch():
                await self._commit(batch)
                self._set_time()
                self.broker.committed()
                self._changed()
            # What needed no commit was finished, too.
            self._flush_connections()
            if not self._work.is_set():
                self._idle.set()

    async def _commit(self, batch: PendingBatch) -> None:
        while True:
            try:
                await self._backend.commit(batch.content)
            except CommitError:
                # The application says so in its own words.
                self.broker.state.statistics["failed_commits"] += 1
            except Exception:
                # A fault of the application: what it was given is neither lost nor acknowledged.
                LOGGER.exception("Messages could not be stored, trying again in %.0f s", RETRY_S)
            else:
                return
            await asyncio.sleep(RETRY_S)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._set_time()
            self.broker.run_timers()
            for protocol in list(self._transports):
                protocol.check_time(self._loop.time())
            self._changed()


class _ClientProtocol(asyncio.Protocol):
    """One TCP connection; with `tls`, one that begins with a TLS handshake.

    A connection counts from its first packet, before the handshake: who does not finish it is
    closed like anybody who does not log in.
    """

    def __init__(self, server: Server, tls: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._tls = tls
        self._handshake: asyncio.Task[None] | None = None
        # Nothing is handled before the transport that encrypts the answers is there.
        self._is_ready = tls is None
        self._early = bytearray()
        self._connection: Connection | None = None
        self._transport: asyncio.Transport
        self._reading = True
        self._is_closed = False
        self._blocked_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        server = self._server
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        server._set_time()
        connection = server.broker.open(address, is_loopback(address))
        if connection is None:
            transport.abort()
            return
        self._connection = connection
        connection.owner = self
        server._transports.add(self)
        transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        _keep_alive(transport.get_extra_info("socket"))
        if self._tls:
            # What the client has sent already is for TLS.
            transport.pause_reading()
            self._handshake = server._loop.create_task(self._begin_tls(transport, self._tls))
        # It may have cost another connection its place.
        server._changed()

    async def _begin_tls(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> None:
        try:
            secured = await self._server._loop.start_tls(
                transport,
                self,
                tls,
                server_side=True,
                ssl_handshake_timeout=self._server._limits.connect_timeout_s,
                ssl_shutdown_timeout=CLOSE_S,
            )
        except (OSError, ssl.SSLError) as error:
            self._handshake_failed(error)
            return
        except BaseException as error:
            self._handshake_failed(error)
            raise
        if secured is None or self._connection is None:
            transport.abort()
            self.connection_lost(None)
            return
        self._transport = secured
        secured.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        self._is_ready = True
        if self._connection.is_closing:
            self.abort()
        elif self._early:
            early = bytes(self._early)
            self._early.clear()
            self.data_received(early)

    def _handshake_failed(self, error: BaseException) -> None:
        connection, server = self._connection, self._server
        if connection and not connection.is_closing:
            server.broker.state.statistics["failed_handshakes"] += 1
            server.broker.log.log(
                logging.WARNING,
                "handshake",
                "No TLS with %s: %s. A client without TLS uses another port; one that does not "
                "trust this hub needs its CA",
                connection.address,
                getattr(error, "reason", None) or error or type(error).__name__,
            )
        self._transport.abort()
        # asyncio tells a protocol of a lost connection after the handshake only.
        self.connection_lost(None)

    def data_received(self, data: bytes) -> None:
        connection = self._connection
        if connection is None:
            return
        if not self._is_ready:
            self._early += data
            return
        server = self._server
        server._set_time()
        try:
            connection.receive(data)
        except Exception:
            LOGGER.exception("The broker failed at what %s sent", connection.address)
            connection.failed()
        if self._reading and not connection.wants_reading and not connection.is_closing:
            self._pause()
        server._changed()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        server, connection = self._server, self._connection
        server._transports.discard(self)
        if connection is None:
            return
        self._connection = None
        server._set_time()
        server.broker.closed(connection)
        connection.owner = None
        server._changed()

    def pause_writing(self) -> None:
        if self._connection:
            self._connection.writable = False
            self._blocked_since = self._server._loop.time()
            self._pause()

    def resume_writing(self) -> None:
        if self._connection:
            self._blocked_since = None
            self._server._set_time()
            self._connection.backlog = self._transport.get_write_buffer_size()
            self._connection.writable_again()
            self._resume()
            self._server._changed()

    def flush(self) -> None:
        """Send what the connection has, close it if it is closing, read again if it may."""
        connection = self._connection
        if connection is None:
            return
        if not self._is_ready:
            if connection.is_closing:
                self.abort()
            return
        if data := connection.take_output():
            self._transport.write(data)
            connection.backlog = self._transport.get_write_buffer_size()
        if connection.is_closing:
            self._close(connection)
        elif not self._reading:
            self._resume()

    def _close(self, connection: Connection) -> None:
        """Close the connection when everything is sent."""
        if self._is_closed:
            return
        self._is_closed = True
        if connection.is_ended_by_broker and self._transport.can_write_eof():
            # Closed with unread data, the kernel would reset it and throw away what was sent.
            try:
                self._transport.write_eof()
            except OSError:
                # The client has reset it already.
                self.abort()
                return
            if not self._reading:
                self._reading = True
                self._transport.resume_reading()
            self._server._loop.call_later(LINGER_S, self.abort)
        else:
            self._transport.close()
            self._server._loop.call_later(CLOSE_S, self.abort)

    def check_time(self, now: float) -> None:
        """Give up a client that does not read."""
        since = self._blocked_since
        if since is not None and now - since > self._server._limits.write_timeout_s:
            self._blocked_since = None
            self._server.broker.state.statistics["write_timeouts"] += 1
            self.abort()

    def abort(self) -> None:
        """Close the connection, with what was not sent thrown away."""
        if self._connection is not None:
            self._transport.abort()

    def _pause(self) -> None:
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def _resume(self) -> None:
        connection = self._connection
        if self._reading or connection is None or not connection.wants_reading:
            return
        if not self._transport.is_closing():
            self._reading = True
            connection.reading_again()
            self._transport.resume_reading()


def within_descriptors(limits: Limits) -> Limits:
    """Return limits with as many connections as this process may have descriptors.

    The soft limit is raised to the hard one first.
    """
    import dataclasses

    try:
        import resource
    except ImportError:
        # Windows counts them differently.
        return limits
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + _RESERVED_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits
    room = max(soft - _RESERVED_DESCRIPTORS, soft // 2)
    return dataclasses.replace(
        limits,
        connections=room,
        pending_connections=min(limits.pending_connections, max(1, room // 2)),
    )


def is_loopback(address: str) -> bool:
    """Return whether a client with this address is on this computer."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    # A listener for IPv6 and IPv4 sees the latter so.
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def _keep_alive(connected: socket.socket | None) -> None:
    """Notice peers that vanished even where MQTT's keep-alive is off."""
    if connected is None:
        return
    with contextlib.suppress(OSError, AttributeError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEP_ALIVE_IDLE_S)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEP_ALIVE_INTERVAL_S)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEP_ALIVE_COUNT)
