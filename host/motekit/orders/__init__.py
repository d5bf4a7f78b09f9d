"""Orders to boards over MQTT (contract 1): who is there, what is asked, what came of it."""

from motekit.orders.asking import OrderError, Orders, since
from motekit.orders.conversation import Conversation, Server, ServerError, conversation
from motekit.orders.roster import Device, Roster

__all__ = [
    "Conversation",
    "Device",
    "OrderError",
    "Orders",
    "Roster",
    "Server",
    "ServerError",
    "conversation",
    "since",
]
