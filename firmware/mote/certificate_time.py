"""The time that certificates are judged by. Loaded to connect, and forgotten."""

from mote import time_servers


async def ensure(settings, again=False):
    """See that a server's certificate can be judged: it is valid in its time only.

    Nothing is asked where no certificate is checked, or the time is known; with `again`, as after a
    certificate that was refused, servers have to confirm it. Raises Failure: TLS.
    """
    server = settings["mqtt"]
    if not (server["tls"] and server["ca"]):
        return
    from mote.clock import floor

    clock = floor.clock(server)
    if clock.known and not again:
        return
    if not await clock.poll(time_servers.names(settings)) and not clock.known:
        from mote import failure

        why = "no time server answers, or they contradict each other"
        if clock.too_early:
            why = "a time server is behind the time of this firmware, or the last good one"
        raise failure.Failure(failure.TLS, "the clock is not set: " + why)
