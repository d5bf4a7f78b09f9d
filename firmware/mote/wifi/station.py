"""The station: the board in somebody's WiFi. `joining` gets it there."""

import asyncio

import network

_NO_RSSI = 0

# One attempt at a time: a trial of the portal and the board's own share the radio.
turn = asyncio.Lock()
# Held by a trial to its end, and by the board's own attempt: two would throw each other out. Who
# waits longest is next, so nobody keeps the board from its network with one trial after another.
trial = asyncio.Lock()
# How often in a row a network refused the password.
refusals = {}
# Attempts in a row that never ended.
hung = 0
# Name and passphrase of the network that the board is in, None where it is in none.
joined = None


def radio():
    return network.WLAN(network.STA_IF)


def address():
    """The board's address in the joined network, or an empty text."""
    return _address_of(0)


def _address_of(which):
    found = radio().ifconfig()[which] if radio().isconnected() else ""
    # `isconnected` does not notice that an address is gone, and DHCP may name no router.
    return "" if found == "0.0.0.0" else found


def is_in(networks):
    """True in one of `networks`, by name and passphrase: a trial may have led into another one."""
    return address() and joined in [(one["ssid"], one["password"]) for one in networks]


def gateway():
    """The address of the router, empty without a network."""
    return _address_of(2)


def rssi():
    """Signal of the joined network in dBm; 0 when there is none."""
    try:
        return radio().status("rssi")
    except (OSError, ValueError):
        return _NO_RSSI


def leave():
    """Give the network up."""
    global joined
    joined = None
    try:
        radio().disconnect()
    except OSError:
        pass
