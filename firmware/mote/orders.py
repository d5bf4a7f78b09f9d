"""What the board does when it is told to: one method for each command of contract 1.

Loaded for a command, and forgotten soon after.
"""

import asyncio

from mote import led, log, memory, starts
from mote.commands import Refused

IDENTIFY_S = 10
_IDENTIFY_MAX_S = 300
# What a Unix time fits into for the next two hundred years.
_SINCE_MAX = 1 << 33


class Orders:
    """`delivery` replays, `end(why, mode)` restarts the board."""

    def __init__(self, settings, delivery, end):
        self._settings = settings
        self._delivery = delivery
        self._end = end

    def handlers(self):
        return {
            "restart": self._restart,
            "setup": self._setup,
            "identify": self._identify,
            "log": self._log,
            "replay": self._replay,
            "config": self._config,
            "update": self._update,
        }

    def _leave(self, command, why, mode="restart"):
        starts.keep_nonce(command["nonce"])
        return lambda: self._end(why, mode)

    async def _restart(self, command):
        return {}, self._leave(command, "asked for over MQTT")

    async def _setup(self, command):
        return {}, self._leave(command, "set-up was asked for over MQTT", "button")

    async def _identify(self, command):
        seconds = command.get("seconds", IDENTIFY_S)
        if not isinstance(seconds, (int, float)) or not 0 < seconds <= _IDENTIFY_MAX_S:
            raise Refused("seconds is a number up to %d" % _IDENTIFY_MAX_S)
        asyncio.create_task(led.identify(int(seconds * 1000)))
        return {"seconds": seconds}

    async def _log(self, command):
        level = command.get("level")
        try:
            if not isinstance(level, str):
                raise ValueError
            log.set_level(level)
        except ValueError:
            raise Refused("level is one of D, I, W, E") from None
        return {"level": level}

    async def _replay(self, command):
        since = command.get("since")
        if not isinstance(since, int) or not 0 <= since < _SINCE_MAX:
            raise Refused("since is a Unix time in whole seconds")
        return {"readings": self._delivery.replay(since * 1000)}

    async def _config(self, command):
        from mote import reconfigure

        if "config" not in command:
            return {"config": reconfigure.shown(self._settings)}
        reconfigure.begin(command["config"], command["nonce"])
        return {"probation": True}, self._leave(command, "a new configuration is tried")

    async def _update(self, command):
        if memory.is_short_beside_tls(self._settings["mqtt"]):
            # It would break off amid the pieces, and take the connection with it (MEMORY.md).
            raise Refused(
                "too little memory for an update over TLS: send it without TLS, or over USB"
            )
        from mote.update import receive

        return await receive.handle(command, self._leave)
