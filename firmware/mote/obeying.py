"""What running and safe mode have in common: hearing commands, and answering them."""

from errno import ECONNRESET, ENOMEM, ENOTCONN

from mote import contract, log, patience, starts

# So many connections in a row that the server closes at once are no chance.
EVICTIONS = 3


class Obeying:
    """Somebody with `settings` whom a `Session` hands commands; `_handlers()` is what obeys."""

    def __init__(self, settings):
        self.settings = settings
        # The connection, while there is one.
        self.client = None
        self._device = settings["id"]
        self._commands = None
        # How often in a row the server has closed a connection soon after the login.
        self.evictions = 0

    def obey(self):
        """What obeys: loaded with the first command, most boards never get one."""
        if not self._commands:
            from mote.commands import Commands

            # The command that the board restarted for must not be done again.
            self._commands = Commands(self._handlers, self._post, starts.last_nonce())
        return self._commands

    async def connected(self, client):
        """There is a connection: what waits for one goes out. Raises OSError."""
        self.client = client
        client.on_arrived = self._has_arrived
        if self._commands:
            await self._commands.connected()

    def disconnected(self):
        client, self.client = self.client, None
        if self._commands and client:
            self._commands.disconnected(len(client.posted))

    def closed_by_server(self, reason, held_ms):
        """A connection ended for `reason`. A server ends the older of two with one id (3.1.4)."""
        if held_ms >= patience.CONNECTION_STEADY_MS:
            self.evictions = 0
        elif isinstance(reason, OSError) and reason.errno == ECONNRESET:
            self.evictions += 1
            if self.evictions >= EVICTIONS:
                log.error(contract.LOG_EVICTED + self._device)

    def _has_arrived(self, pid):
        if self._commands:
            self._commands.has_arrived(pid)

    async def _post(self, text):
        """Send an answer to a command, and do not wait for the broker. Raises OSError."""
        if not self.client:
            raise OSError(ENOTCONN)
        try:
            topic = contract.device_topic(self._device, "reply")
            return await self.client.post(topic, text)
        except MemoryError:
            raise OSError(ENOMEM) from None
