"""Tries a configuration for real before it is saved: joins its WiFi, logs in to its server."""

from mote import failure, log, memory
from mote.failure import Failure
from mote.mqtt import MODULES, known_addresses
from mote.wifi import joining, station

# A server that is not where it was said to be may be elsewhere in the network.
_SEEK_AFTER = (
    failure.NAME_NOT_FOUND,
    failure.UNREACHABLE,
    failure.REFUSED,
    failure.NO_ANSWER,
)


async def run(document, progress, stay=False, known=None):
    """(None, found) when everything worked, else (the Failure that stopped it, found).

    `found` lists servers of the network (mDNS: `_mqtt._tcp`, with TLS `_secure-mqtt._tcp` first),
    sought when they are of use. An empty host is filled in where one server was found. `progress`
    is told each step as it begins: join address name server login. With `stay` a WiFi that let the
    board in is not left again. `known` is the `mqtt` object of the board's settings, if any.
    """
    found = []
    certificate_time = connecting = None
    # What this network says of names does not outlast it.
    addresses = dict(known_addresses)
    try:
        await joining.join(document["wifi"][:1], progress, attempts=2)
        server = document["mqtt"]
        if not server["host"]:
            progress("name")
            found = await _servers(document)
            _take(server, found, known)
        elif stay and known and _is_withheld(server, known):
            progress("login")
            raise Failure(failure.PASSWORD_NEEDED)
        # Loaded when there is a network: until then the portal has its memory.
        from mote import certificate_time
        from mote.mqtt import connecting

        await certificate_time.ensure(document, again=True)
        client = await connecting.log_in(document, progress)
    except Failure as why:
        if why.reason in _SEEK_AFTER:
            # Done with it, what logs in leaves its memory to the search.
            certificate_time = connecting = None
            memory.forget("mote.certificate_time", "mote.time_servers", *MODULES)
            found = await _servers(document)
        if not stay or not station.address():
            station.leave()
        return why, found
    finally:
        known_addresses.clear()
        known_addresses.update(addresses)
    await client.disconnect()
    return None, found


async def _servers(document):
    from mote.mqtt import mdns

    found = []
    if document["mqtt"].get("tls"):
        found = await mdns.browse("_secure-mqtt._tcp.local")
    return found or await mdns.browse()


def _take(server, found, known):
    """The server that the board has, or the only one there is.

    Anybody in a network can announce a server, under any name: it gets a login only when a person
    has seen where it is. Raises Failure: NO_SERVER, CHOOSE_SERVER, CONFIRM_SERVER.
    """
    stored = [one for one in found if known and (one.host, one.port) == _place(known)]
    if not stored and len(found) != 1:
        raise Failure(failure.CHOOSE_SERVER if found else failure.NO_SERVER)
    # The name outlives a change of address where it resolves at all.
    one = (stored or found)[0]
    server["host"], server["port"] = one.host, one.port
    log.info("setup: found the MQTT server %s:%d" % (one.host, one.port))
    if server.get("user") or server.get("password"):
        raise Failure(failure.CONFIRM_SERVER)


def _place(server):
    return server["host"], server["port"]


def _is_withheld(server, known):
    """True where the login of the server that the board has was not to go into this network."""
    if server.get("password") or not known["password"]:
        return False
    return _place(server) == _place(known)
