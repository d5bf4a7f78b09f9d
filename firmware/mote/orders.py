"""What the board does when it is told to: one method for each command of contract 1.

Loaded for a command, and forgotten soon after.
"""

import asyncio

from mote import config, led, log, probation, starts
from mote.commands import Refused

IDENTIFY_S = 10
_IDENTIFY_MAX_S = 300


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
        if not isinstance(since, int) or since < 0:
            raise Refused("since is a Unix time in whole seconds")
        return {"readings": self._delivery.replay(since * 1000)}

    async def _config(self, command):
        """Without `config` the answer is the present one, its secrets left out.

        With it, the entries given replace the present ones (RFC 7396: an object is merged, null
        removes), the whole is checked, and tried on probation.
        """
        if "config" not in command:
            return {"config": _without_secrets(self._settings)}
        if not isinstance(command["config"], dict):
            raise Refused("config must be of type object")
        try:
            present = config.load()
            document = _merged(present, command["config"])
            _keep_passwords(document, present)
            probation.begin(document, command["nonce"])
        except config.ConfigError as error:
            raise Refused(str(error)) from None
        except OSError as error:
            raise Refused("it could not be saved: errno %s" % error.errno) from None
        except RuntimeError:
            # The stack is small, and a command may nest as deep as it likes.
            raise Refused("config is nested too deeply") from None
        return {"probation": True}, self._leave(command, "a new configuration is tried")

    async def _update(self, command):
        from mote.update import receive

        return await receive.handle(command, self._leave)


def _merged(target, patch):
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def _keep_passwords(document, present):
    """A list is replaced as a whole: a network that is known keeps its password all the same."""
    known = {one["ssid"]: one["password"] for one in present["wifi"]}
    networks = document.get("wifi")
    for one in networks if isinstance(networks, list) else ():
        if isinstance(one, dict) and "password" not in one:
            ssid = one.get("ssid")
            # Not checked yet: a list, for one, cannot be looked up.
            if isinstance(ssid, str) and ssid in known:
                one["password"] = known[ssid]


def _without_secrets(settings):
    """A copy in which every password is only said to be there."""
    shown = dict(settings)
    shown["wifi"] = [dict(one, password=bool(one["password"])) for one in settings["wifi"]]
    shown["mqtt"] = dict(settings["mqtt"], password=bool(settings["mqtt"]["password"]))
    shown["portal_password"] = bool(settings["portal_password"])
    return shown
