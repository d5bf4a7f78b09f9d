"""Who knows the time: servers of the internet, and in a network without it the board's own."""

from mote import contract


def names(settings):
    """The usual ones; where they are silent, the MQTT server or the gateway may know."""
    from mote.wifi import station

    return contract.NTP_SERVERS + (settings["mqtt"]["host"], station.gateway())


async def date_certificates(settings):
    """See that a server's certificate can be judged: it is valid in its time only.

    Nothing is asked where no certificate is checked, or the time is known. Raises Failure: TLS.
    """
    server = settings["mqtt"]
    if not (server["tls"] and server["ca"]):
        return
    from mote.clock.clock import Clock

    clock = Clock()
    if not clock.known and not await clock.poll(names(settings)):
        from mote import failure

        raise failure.Failure(failure.TLS, "the clock is not set: no time server answers")
