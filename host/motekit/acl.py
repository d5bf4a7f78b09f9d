"""State who may publish and read which topics (CONTRACTS.md, Topics).

This table is the only statement of these rights. The hub asks it for every packet;
`motekit.stack.mosquitto_acl` writes Mosquitto's access control list from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, partial

from mote import contract

from motekit.credentials import OWNER

# Stands for the name of the account, as in Mosquitto's patterns.
USER = "%u"
_SHARE = "$share"


class Access(StrEnum):
    """What a rule allows, in Mosquitto's words."""

    READ = "read"
    WRITE = "write"
    READ_WRITE = "readwrite"


class Role(StrEnum):
    """What an account is for: a board, or a person with more or fewer rights."""

    DEVICE = "device"
    VIEWER = "viewer"
    OPERATOR = "operator"
    OWNER = "owner"


@dataclass(frozen=True)
class Rule:
    """Access to the topics that match `filter`; what no rule allows is refused."""

    access: Access
    filter: str


def _read(*filters: str) -> tuple[Rule, ...]:
    return tuple(Rule(Access.READ, one) for one in filters)


def _write(*filters: str) -> tuple[Rule, ...]:
    return tuple(Rule(Access.WRITE, one) for one in filters)


# A device has these for the topics of its own name: it writes its own topics and reads its
# commands. Mosquitto's patterns apply to all accounts; roles take them from services.
DEVICE = (
    *_write(contract.sensor_topic(USER, "+"), contract.backfill_topic(USER)),
    *_write(*(contract.device_topic(USER, leaf) for leaf in ("status", "info", "log", "reply"))),
    *_read(contract.device_topic(USER, "cmd")),
    # Home Assistant's discovery: <prefix>/<component>/<node id>/<object id>/config.
    *_write(f"homeassistant/+/{USER}/+/config"),
)
# Reads what boards say, and nothing that is said to them: a command may carry passwords. Home
# Assistant needs no more.
_VIEWER = _read(
    "sensors/#",
    "backfill/+",
    contract.device_topic("+", "status"),
    contract.device_topic("+", "info"),
    contract.device_topic("+", "log"),
    "homeassistant/#",
)
# People, by their role: `mote` on another machine, any MQTT client. An account with one of these
# roles has no topics of its own name.
ROLES = {
    Role.VIEWER: _VIEWER,
    # Commands boards, and reads their answers.
    Role.OPERATOR: (
        *_VIEWER,
        *_read(contract.device_topic("+", "reply")),
        *_write(contract.device_topic("+", "cmd")),
    ),
    # Everything, also in the name of a board.
    Role.OWNER: (Rule(Access.READ_WRITE, "#"), *_read("$SYS/#")),
}
PEOPLE = {OWNER: ROLES[Role.OWNER]}
_READINGS = _read("sensors/#", "backfill/+", "devices/+/status", "devices/+/info")
# Requests for `replay` commands, within the backend on Docker.
_REPLAY = "internal/replay/+"
# The services of the backend on Docker.
SERVICES = {
    # Carries readings into the database.
    "telegraf": (*_READINGS, *_read("$SYS/#")),
    # Live panels.
    "grafana": _read("sensors/#"),
    # Keeps the last value of everything in Redis (profile `full`).
    "last-values": _READINGS,
    # Finds out which boards have to send again what was lost, and asks the gate for it.
    "refill": (
        *_read("$SYS/broker/uptime", "devices/+/status", "devices/+/reply"),
        *_write(_REPLAY),
    ),
    # Makes `replay` commands of these requests, and no other command.
    "replay-gate": (*_read(_REPLAY), *_write("devices/+/cmd")),
    # The health check of the broker.
    "health": _read("$SYS/broker/uptime"),
    # Changes accounts while the broker runs: `mote stack` on this machine. No container has its
    # password.
    "control": (Rule(Access.READ_WRITE, "$CONTROL/dynamic-security/#"),),
}


class AccessControl:
    """Decide what an account may do; `accounts` have more rights than a device.

    An account with a role for people (`ROLES`) has the rights of that role, whatever its name. The
    names in `accounts` are no devices: they have no topics of their own name.
    """

    def __init__(self, accounts: Mapping[str, tuple[Rule, ...]]) -> None:
        self._accounts = accounts
        self._read = lru_cache(1024)(partial(self._filters, Access.READ))
        self._write = lru_cache(1024)(partial(self._filters, Access.WRITE))

    def may_publish(self, user: str, topic: str, role: Role = Role.DEVICE) -> bool:
        """Whether `user` may publish to `topic`, a name without wildcards."""
        return _is_name(topic) and self._covers(self._write(user, role), topic)

    def may_read(self, user: str, topic: str, role: Role = Role.DEVICE) -> bool:
        """Whether a message of `topic` may be delivered to `user`."""
        return _is_name(topic) and self._covers(self._read(user, role), topic)

    def may_subscribe(self, user: str, topic_filter: str, role: Role = Role.DEVICE) -> bool:
        """Whether `user` may read every topic that matches the filter, shared or not."""
        if topic_filter.startswith(f"{_SHARE}/"):
            _, _, rest = topic_filter.partition("/")
            group, _, topic_filter = rest.partition("/")
            if not _is_name(group):
                return False
        return _is_filter(topic_filter) and self._covers(self._read(user, role), topic_filter)

    def _filters(self, access: Access, user: str, role: Role) -> tuple[tuple[str, ...], ...]:
        rules = ROLES[role] if role in ROLES else self._accounts.get(user, ())
        # A name with a wildcard or a level in it would reach the topics of others.
        if role not in ROLES and user not in self._accounts and contract.is_device_id(user):
            rules = (*rules, *DEVICE)
        allowed = (one.filter for one in rules if access in one.access)
        return tuple(tuple(one.replace(USER, user).split("/")) for one in allowed)

    @staticmethod
    def _covers(filters: tuple[tuple[str, ...], ...], topic_filter: str) -> bool:
        levels = topic_filter.split("/")
        return any(_covers(one, levels) for one in filters)


# The hub has no services: a device may have any of their names there, and no right more for it.
HUB = AccessControl(PEOPLE)
STACK = AccessControl({**PEOPLE, **SERVICES})


def _covers(rule: tuple[str, ...], levels: list[str]) -> bool:
    """Whether every topic that matches `levels` matches `rule` (MQTT 3.1.1, 4.7)."""
    # A wildcard at the beginning matches no topic that begins with $ (4.7.2).
    if levels[0].startswith("$") and not rule[0].startswith("$"):
        return False
    for position, level in enumerate(rule):
        if level == "#":
            return True
        if position == len(levels) or levels[position] == "#":
            return False
        if level not in ("+", levels[position]):
            return False
    return len(rule) == len(levels)


def _is_name(topic: str) -> bool:
    return bool(topic) and not any(sign in topic for sign in "+#\0")


def _is_filter(topic_filter: str) -> bool:
    *levels, last = topic_filter.split("/")
    return (
        bool(topic_filter)
        and "\0" not in topic_filter
        and (last in ("#", "+") or _is_name(last) or not last)
        and all(level == "+" or _is_name(level) or not level for level in levels)
    )
