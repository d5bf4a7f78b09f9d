"""What an account may do on the hub's broker, by the table in `motekit.acl`."""

from motekit import acl
from motekit.acl import Role
from motekit.credentials import OWNER


def role_of(user: str | None) -> Role:
    """Return the role of an account that is not a person's: the owner's or a device's.

    A local client without a name is the owner.
    """
    return Role.OWNER if user is None or user == OWNER else Role.DEVICE


def _name(user: str | None) -> str:
    return OWNER if user is None else user


def may_publish(user: str | None, topic: str, role: Role | None = None) -> bool:
    """Whether `user` may publish to `topic`."""
    return acl.HUB.may_publish(_name(user), topic, role or role_of(user))


def may_subscribe(user: str | None, topic_filter: str, role: Role | None = None) -> bool:
    """Whether `user` may read everything that matches `topic_filter`."""
    return acl.HUB.may_subscribe(_name(user), topic_filter, role or role_of(user))


def may_read(user: str | None, topic: str, role: Role | None = None) -> bool:
    """Whether a message of `topic` may be delivered to `user`."""
    return acl.HUB.may_read(_name(user), topic, role or role_of(user))
