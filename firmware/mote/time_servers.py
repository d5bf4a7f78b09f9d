"""Who knows the time: servers of the internet, and in a network without it the board's own."""

from mote import contract


def names(settings):
    """The usual ones; where they are silent, the MQTT server or the gateway may know."""
    from mote.wifi import station

    return contract.NTP_SERVERS + (settings["mqtt"]["host"], station.gateway())
