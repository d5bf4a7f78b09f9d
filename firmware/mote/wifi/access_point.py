"""The board's own network, in which a phone finds the setup portal."""

import network

from mote import contract, log

_OPEN, _WPA2 = 0, 3
_CHANNEL = 1
# One more client than the portal serves at a time would wait without a word.
_CLIENTS = 5


class AccessPointError(Exception):
    """The driver did not take what was set: the network would not be as protected as promised."""


def open_network(ssid, password):
    """Open it at 192.168.4.1, with WPA2 where there is a password. Raises AccessPointError.

    What was set is read back: given a key alone the driver leaves the network open.
    """
    radio = network.WLAN(network.AP_IF)
    # Before it is active the driver refuses every setting ("Wifi Invalid Mode").
    radio.active(True)
    authmode = _WPA2 if password else _OPEN
    settings = {"ssid": ssid, "security": authmode, "channel": _CHANNEL, "max_clients": _CLIENTS}
    if password:
        settings["key"] = password
    radio.config(**settings)
    address = contract.PORTAL_ADDRESS
    radio.ifconfig((address, contract.PORTAL_NETMASK, address, address))
    if radio.config("ssid") != ssid or radio.config("security") != authmode:
        radio.active(False)
        raise AccessPointError("name or protection of the setup network was not taken")
    log.debug("wifi: access point %s, security %d" % (ssid, authmode))


def is_client(address):
    """Return whether `address` is one of the setup network, and not of the joined one.

    A packet to 192.168.4.1 is taken from the other side as well (lwIP, ip4_input_accept).
    """
    return address.rsplit(".", 1)[0] == contract.PORTAL_ADDRESS.rsplit(".", 1)[0]


def has_clients():
    """True while a phone is on the network."""
    return bool(network.WLAN(network.AP_IF).status("stations"))


def close_network():
    network.WLAN(network.AP_IF).active(False)
