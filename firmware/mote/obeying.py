"""What running and safe mode have in common: hearing commands, and answering them."""

from errno import ENOTCONN

from mote import contract, starts


class Obeying:
    """Somebody with `settings` whom a `Session` hands commands; `_handlers()` is what obeys."""

    def __init__(self, settings):
        self.settings = settings
        # The connection, while there is one.
        self.client = None
        self._device = settings["id"]
        self._commands = None

    def obey(self):
        """What obeys: loaded with the first command, most boards never get one."""
        if not self._commands:
            from mote.commands import Commands

            # The command that the board restarted for must not be done again.
            self._commands = Commands(self._handlers, self._reply, starts.last_nonce())
        return self._commands

    async def _reply(self, text):
        """Publish an answer to a command. Raises OSError."""
        if not self.client:
            raise OSError(ENOTCONN)
        await self.client.publish(contract.device_topic(self._device, "reply"), text, qos=1)
