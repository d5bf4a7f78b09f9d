"""The portal's page in the network that the board joined, for the client at the USB cable.

Improv leads from the cable to a page in that network (IMPROV.md), which is open to everybody who is
in it: so the page is served below a random word, which goes out over the cable only.
"""

import os
from binascii import hexlify

from mote.portal import http

NAME = "HTTP (USB)"
_CLIENTS = 2
_UNKNOWN = (
    "<!doctype html><html lang=en><title>Mote</title><p>This page is for the computer at the USB "
    "cable of the board: open it from the installer there."
)


class Guest:
    """Admits the requests of one client, which knows the word; `address` is the board's own."""

    def __init__(self, address):
        self.address = address
        self._base = "/%s/" % str(hexlify(os.urandom(8)), "ascii")
        self._peer = ""

    def server(self, handle):
        """Return the server of `handle` at the address."""
        return http.Server(handle, clients=_CLIENTS, elsewhere=self.elsewhere, address=self.address)

    def url(self):
        """Return the address to send over the cable; the first client that opens it has it."""
        self._peer = ""
        return "http://%s%s" % (self.address, self._base)

    def elsewhere(self, request):
        """Return the answer to a request of anybody else; None for the client's own."""
        known = request.host == self.address and request.path.startswith(self._base)
        if not known or self._peer not in ("", request.peer):
            return http.Response(_UNKNOWN, 404)
        self._peer = request.peer
        request.base = self._base
        request.path = request.path[len(self._base) - 1 :]
        return None
