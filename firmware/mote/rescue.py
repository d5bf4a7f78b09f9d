"""Safe mode by the network: beside its portal the board takes what mends it, an update above all.

Neither sensors nor stored readings are touched: one of them may be what crashes.
"""

import sys

from mote import contract, log, starts
from mote.commands import Refused
from mote.obeying import Obeying
from mote.online import Online
from mote.session import Session, about


class Rescue(Obeying):
    """Keeps the board online beside `portal`; `end(why)` is called when it has to restart."""

    def __init__(self, settings, portal, end):
        super().__init__(settings)
        self._end = end
        self._online = Online(settings, self._session, self._leave, portal)

    async def stay(self):
        """For ever; only cancelling ends it."""
        log.info("app: safe mode: an update is taken over MQTT")
        await self._online.stay()

    @property
    def busy(self):
        """True while an update comes in."""
        receive = sys.modules.get("mote.update.receive")
        return bool(receive and receive.coming())

    async def _session(self, client):
        return await _Visit(self, client).hold()

    def _handlers(self):
        from mote.orders import Orders

        handlers = Orders(self.settings, None, self._leave).handlers()
        handlers["replay"] = handlers["setup"] = _not_now
        return handlers

    def _leave(self, why, mode="restart"):
        starts.once_more()
        self._end(why)


class _Visit(Session):
    _shown = "setup"

    def _works(self):
        return self._tell(), self._close_without_wifi()

    async def _tell_once(self):
        await self._tell_crash()

    async def _announce_metrics(self):
        pass

    def _info(self):
        info = about()
        info[contract.SAFE_MODE] = True
        return info


async def _not_now(command):
    raise Refused("not in safe mode: send an update or a configuration, or restart the board")
