"""Write Mosquitto's access control list from the table in `motekit.acl`.

`python -m motekit.stack.mosquitto_acl` writes docker/mosquitto/acl; a test compares the two.
"""

from motekit import acl
from motekit.stack.installation import DOCKER

PATH = DOCKER / "mosquitto" / "acl"
_HEAD = f"""\
# Written by `python -m motekit.stack.mosquitto_acl` from host/motekit/acl.py: change that file.
# What no line allows is refused. {acl.USER} is the user name, which the password proves.

# Every account, for the topics of its own name: a device.
"""


def text() -> str:
    """Return the content of the file."""
    parts = [_HEAD, *(f"pattern {one.access} {one.filter}\n" for one in acl.DEVICE)]
    for user, rules in {**acl.PEOPLE, **acl.SERVICES}.items():
        parts.append(f"\nuser {user}\n")
        parts += [f"topic {one.access} {one.filter}\n" for one in rules]
    return "".join(parts)


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
