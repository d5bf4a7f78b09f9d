"""Tries a configuration for real before it is saved: joins its WiFi, logs in to its server."""

from mote import failure, log
from mote.failure import Failure
from mote.wifi import joining, station

# A server that is not where it was said to be may be elsewhere in the network.
_SEEK_AFTER = (
    failure.NAME_NOT_FOUND,
    failure.UNREACHABLE,
    failure.REFUSED,
    failure.NO_ANSWER,
)


async def run(document, progress):
    """(None, found) when everything worked, else (the Failure that stopped it, found).

    `found` lists servers of the network (mDNS, `_mqtt._tcp`), sought when they are of use. An empty
    host is filled in where one server was found. `progress` is told each step as it begins: join
    address name server login.
    """
    found = []
    try:
        await joining.join(document["wifi"][:1], progress, attempts=2)
        if not document["mqtt"]["host"]:
            progress("name")
            found = await _servers()
            _take(document["mqtt"], found)
        # Loaded when there is a network: until then the portal has its memory.
        from mote.mqtt import connecting

        client = await connecting.log_in(document, progress)
    except Failure as why:
        if why.reason in _SEEK_AFTER:
            found = await _servers()
        station.leave()
        return why, found
    await client.disconnect()
    return None, found


async def _servers():
    from mote.mqtt import mdns

    return await mdns.browse()


def _take(server, found):
    """The only server there is. Raises Failure: NO_SERVER, CHOOSE_SERVER."""
    if len(found) != 1:
        raise Failure(failure.CHOOSE_SERVER if found else failure.NO_SERVER)
    # The name outlives a change of address where it resolves at all.
    server["host"], server["port"] = found[0].host, found[0].port
    log.info("setup: found the MQTT server %s:%d" % (server["host"], server["port"]))
