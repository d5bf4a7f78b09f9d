"""Delivery over MQTT 3.1.1: link, packets, protocol, client; connecting gets it there."""

# What a board without a network can do without.
_PARTS = ("connecting", "client", "protocol", "packets", "link", "tls", "mdns")
MODULES = tuple("mote.mqtt." + name for name in _PARTS)
# The last good address of each server: a `.local` name is not always answered.
known_addresses = {}
