"""Slow down whoever sends wrong passwords, address by address, in bounded memory.

Passwords have at least 99 random bits (`motekit.credentials`), so nobody guesses one. The limit
keeps somebody who tries from filling the log and taking the time of others, and it never keeps out
who logs in from another address, or has logged in from the same address before.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar

ADDRESSES_MAX = 4_096
# Of an IPv6 address: the network that one customer gets at least (RFC 6177).
_PREFIX = 64
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LoginLimit:
    """Wrong passwords of each address: `burst` at once, then one each `every_s` seconds.

    An account that has logged in from an address is counted apart from the rest of that address:
    what somebody else there tries with other names does not keep it out.
    """

    def __init__(
        self, burst: int, every_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst = burst
        self._every_s = every_s
        self._clock = clock
        # Who tried -> (wrong passwords that still count, when that was).
        self._wrong: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait_s(self, address: str, account: str) -> int:
        """Return in how many seconds a password of `account` is looked at, 0 for now."""
        over = self._level(self._who(address, account)) - (self._burst - 1)
        return max(0, math.ceil(over * self._every_s))

    def failed(self, address: str, account: str) -> None:
        """Count a wrong password."""
        who = self._who(address, account)
        level = self._level(who) + 1
        _put(self._wrong, who, (level, self._clock()))

    def succeeded(self, address: str, account: str) -> None:
        """Remember that `account` has logged in from `address`."""
        _put(self._known, (_network(address), account), None)

    def _who(self, address: str, account: str) -> Hashable:
        network = _network(address)
        return (network, account) if (network, account) in self._known else network

    def _level(self, who: Hashable) -> float:
        level, at = self._wrong.get(who, (0.0, 0.0))
        return max(0.0, level - (self._clock() - at) / self._every_s)


def _put(kept: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > ADDRESSES_MAX:
        kept.popitem(last=False)


def _network(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or a /64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, _PREFIX), strict=False))
    return str(parsed)
