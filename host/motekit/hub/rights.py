"""What an account may do on the broker (contract 1)."""

from mote import contract

from motekit.credentials import OWNER

_OWN_LEAVES = ("status", "info", "log", "reply")


def may_publish(user: str | None, topic: str) -> bool:
    """A device writes its own topics only; the owner, and local clients without a name, all."""
    if user is None or user == OWNER:
        return True
    level = topic.split("/")
    if level[0] == "sensors":
        return len(level) == 3 and level[1] == user
    if level[0] == "homeassistant":
        return len(level) > 2 and level[-1] == "config" and user in level[1:-1]
    own = [contract.device_topic(user, leaf) for leaf in _OWN_LEAVES]
    return topic in (*own, contract.backfill_topic(user))


def may_subscribe(user: str | None, topic: str) -> bool:
    """A device reads its own commands only."""
    return user is None or user == OWNER or topic == contract.device_topic(user, "cmd")
