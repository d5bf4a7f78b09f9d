"""The station: the board in somebody's WiFi. `joining` gets it there."""

import asyncio

import network

_NO_RSSI = 0

# One attempt at a time: a trial of the portal and the board's own share the radio.
turn = asyncio.Lock()
# How often in a row a network refused the password.
refusals = {}
# Attempts in a row that never ended.
hung = 0


def radio():
    return network.WLAN(network.STA_IF)


def address():
    """The board's address in the joined network, or an empty text."""
    return radio().ifconfig()[0] if radio().isconnected() else ""


def gateway():
    """The address of the router, empty without a network."""
    return radio().ifconfig()[2] if radio().isconnected() else ""


def rssi():
    """Signal of the joined network in dBm; 0 when there is none."""
    try:
        return radio().status("rssi")
    except (OSError, ValueError):
        return _NO_RSSI


def leave():
    """Give the network up."""
    try:
        radio().disconnect()
    except OSError:
        pass
