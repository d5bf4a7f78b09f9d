"""Write Mosquitto's access control list, and the roles of people, from the table in `motekit.acl`.

`python -m motekit.stack.mosquitto_acl` writes docker/mosquitto/acl; a test compares the two. The
roles are in the accounts of the dynamic security plugin (`motekit.stack.accounts`): which people
there are differs from installation to installation.
"""

from typing import Any

from motekit import acl, places

PATH = places.CHECKOUT / "docker" / "mosquitto" / "acl"
_HEAD = f"""\
# Written by `python -m motekit.stack.mosquitto_acl` from host/motekit/acl.py: change that file.
# What no line allows is refused. {acl.USER} is the user name, which the password proves.

# Every account, for the topics of its own name: a device. Roles take them from services and people.
"""
_KINDS = {
    acl.Access.READ: "publishClientReceive",
    acl.Access.WRITE: "publishClientSend",
}
# The roles that an account can be given.
GIVEN = (acl.Role.VIEWER, acl.Role.OPERATOR)


def text() -> str:
    """Return the content of the file."""
    parts = [_HEAD, *(f"pattern {one.access} {one.filter}\n" for one in acl.DEVICE)]
    for user, rules in {**acl.PEOPLE, **acl.SERVICES}.items():
        parts.append(f"\nuser {user}\n")
        parts += [f"topic {one.access} {one.filter}\n" for one in rules]
    return "".join(parts)


def role_of(name: str, role: acl.Role) -> str:
    """Return the name of the plugin's role of an account; empty for those that need none."""
    if role in GIVEN:
        return str(role)
    return f"service-{name}" if name in acl.SERVICES else ""


def roles() -> list[dict[str, Any]]:
    """Return the plugin's roles: of people, and what is refused to services.

    What the plugin neither allows nor refuses, the list above decides, whose patterns hold for
    every account: so a role refuses all that the table does not allow.
    """
    people = [{"rolename": str(role), "acls": _of_a_person(acl.ROLES[role])} for role in GIVEN]
    services = [
        {"rolename": role_of(name, acl.Role.DEVICE), "acls": _of_a_service(name)}
        for name in acl.SERVICES
    ]
    return people + services


def _of_a_person(rules: tuple[acl.Rule, ...]) -> list[dict[str, Any]]:
    made = []
    for access, kind in _KINDS.items():
        allowed = [one.filter for one in rules if access in one.access]
        made += [_plugin_acl(kind, topic, 1, allow=True) for topic in allowed]
        made.append(_plugin_acl(kind, "#", 0, allow=False))
    return made


def _of_a_service(name: str) -> list[dict[str, Any]]:
    return [
        _plugin_acl(_KINDS[one.access], one.filter.replace(acl.USER, name), 0, allow=False)
        for one in acl.DEVICE
    ]


def _plugin_acl(kind: str, topic: str, priority: int, *, allow: bool) -> dict[str, Any]:
    return {"acltype": kind, "topic": topic, "priority": priority, "allow": allow}


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
