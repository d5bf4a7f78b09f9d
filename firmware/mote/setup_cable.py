"""What the portal sends over the USB cable: to a person on the log, and to an installer.

Loaded for that, and forgotten.
"""

from mote import contract, log, memory
from mote.wifi import station


def tell(ssid, protected):
    """Write name, address and, where it holds no secret, the QR code of the network to the log."""
    lock = "with its password" if protected else "no password"
    told = (contract.LOG_SETUP, ssid, lock, contract.PORTAL_ADDRESS)
    log.info("%s%s (%s), then http://%s/" % told)
    if not protected:
        try:
            _show_code(ssid)
        except MemoryError:
            # Beside running: the name above is enough to join.
            pass
        memory.discard("mote.qr")


def guest_of(portal):
    """Return the `Guest` of the page in the joined network; it is served from then on."""
    from mote.portal import guest

    address = station.address() or contract.PORTAL_ADDRESS
    if portal.guest is None or portal.guest.address != address:
        portal.guest = guest.Guest(address)
        portal.serve(guest.NAME, portal.guest.server(portal.answer).serve)
    return portal.guest


def _show_code(ssid):
    from mote import qr

    for line in qr.lines(qr.wifi(ssid)):
        log.info("setup: " + line)
