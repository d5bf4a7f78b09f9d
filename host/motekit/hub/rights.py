"""What an account may do on the hub's broker, by the table in `motekit.acl`."""

from motekit import acl
from motekit.credentials import OWNER


def may_publish(user: str | None, topic: str) -> bool:
    """Whether `user` may publish to `topic`; a local client without a name is the owner."""
    return acl.HUB.may_publish(OWNER if user is None else user, topic)


def may_subscribe(user: str | None, topic_filter: str) -> bool:
    """Whether `user` may read everything that matches `topic_filter`."""
    return acl.HUB.may_subscribe(OWNER if user is None else user, topic_filter)


def may_read(user: str | None, topic: str) -> bool:
    """Whether a message of `topic` may be delivered to `user`."""
    return acl.HUB.may_read(OWNER if user is None else user, topic)
