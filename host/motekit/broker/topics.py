"""Topic names and filters, and the tree of subscriptions (MQTT 3.1.1 and 5, section 4.7)."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from motekit.broker.backend import Subscription
from motekit.broker.limits import Limits

SHARED = "$share/"
# Longer topics are not remembered: a client could fill the memory with them.
CACHED_CHARACTERS = 256
_CACHED_TOPICS = 10_000

Subscriber = TypeVar("Subscriber")


def is_valid_name(topic: str, limits: Limits) -> bool:
    """Return whether `topic` may be published to (4.7)."""
    return bool(topic) and "+" not in topic and "#" not in topic and _is_short(topic, limits)


def is_valid_filter(topic_filter: str, limits: Limits) -> bool:
    """Return whether `topic_filter` follows 4.7.1."""
    if not topic_filter or not _is_short(topic_filter, limits):
        return False
    *before, last = topic_filter.split("/")
    return (
        all("#" not in level and ("+" not in level or level == "+") for level in before)
        and ("#" not in last or last == "#")
        and ("+" not in last or last == "+")
    )


def _is_short(topic: str, limits: Limits) -> bool:
    return len(topic) <= limits.topic_characters and topic.count("/") < limits.topic_levels


def split_shared(topic_filter: str) -> tuple[str, str] | None:
    """Return (group, filter) of a shared subscription, None for any other.

    Raises ValueError when the group is missing or has a wildcard (MQTT 5, 4.8.2).
    """
    if not topic_filter.startswith(SHARED):
        return None
    group, separator, rest = topic_filter[len(SHARED) :].partition("/")
    if not group or not separator or not rest or "+" in group or "#" in group:
        raise ValueError(topic_filter)
    return group, rest


def matcher(topic_filter: str) -> Callable[[str], bool]:
    """Return a function that tells whether a topic name matches `topic_filter`."""
    if "+" not in topic_filter and "#" not in topic_filter:
        return topic_filter.__eq__
    pattern = re.escape(topic_filter).replace(r"\+", "[^/]*")
    if topic_filter == "#":
        pattern = ".*"
    elif topic_filter.endswith("/#"):
        # `a/#` matches `a`, too.
        pattern = pattern[: -len(re.escape("/#"))] + "(/.*)?"
    compiled = re.compile(pattern, re.DOTALL)
    wildcard_first = topic_filter[0] in "+#"

    def matches(topic: str) -> bool:
        # 4.7.2: a filter that begins with a wildcard does not match topics that begin with `$`.
        return not (wildcard_first and topic[0] == "$") and bool(compiled.fullmatch(topic))

    return matches


@dataclass(slots=True)
class Match(Generic[Subscriber]):
    """One subscriber of a topic: one delivery for all of its subscriptions that match (3.3.5)."""

    subscriber: Subscriber
    subscriptions: list[Subscription]
    qos: int = 0
    retain_as_published: bool = False
    identifiers: tuple[int, ...] = ()
    has_no_local: bool = False

    def __post_init__(self) -> None:
        self.qos = max(one.qos for one in self.subscriptions)
        self.retain_as_published = any(one.retain_as_published for one in self.subscriptions)
        self.identifiers = tuple(
            sorted({one.identifier for one in self.subscriptions if one.identifier})
        )
        self.has_no_local = any(one.no_local for one in self.subscriptions)

    def for_own_messages(self) -> "Match[Subscriber] | None":
        """Return the match of what the subscriber itself has published."""
        kept = [one for one in self.subscriptions if not one.no_local]
        return Match(self.subscriber, kept) if kept else None


@dataclass(slots=True)
class Matches(Generic[Subscriber]):
    """Who gets a message: everybody in `direct`, and one of each group in `shared`."""

    direct: list[Match[Subscriber]] = field(default_factory=list)
    shared: list["SharedGroup[Subscriber]"] = field(default_factory=list)


class SharedGroup(Generic[Subscriber]):
    """The subscribers of one shared subscription, which take turns."""

    def __init__(self) -> None:
        self.members: dict[Subscriber, Subscription] = {}
        self._turn = 0

    def choose(self, is_preferred: Callable[[Subscriber], bool]) -> Match[Subscriber]:
        """Return the next member; one that is not preferred only if none is."""
        members = list(self.members)
        candidates = [one for one in members if is_preferred(one)] or members
        self._turn += 1
        chosen = candidates[self._turn % len(candidates)]
        return Match(chosen, [self.members[chosen]])


class _Node(Generic[Subscriber]):
    __slots__ = ("children", "shared", "subscribers")

    def __init__(self) -> None:
        self.children: dict[str, _Node[Subscriber]] = {}
        self.subscribers: dict[Subscriber, Subscription] = {}
        self.shared: dict[str, SharedGroup[Subscriber]] = {}

    def is_empty(self) -> bool:
        return not (self.children or self.subscribers or self.shared)


class SubscriptionTree(Generic[Subscriber]):
    """All subscriptions, by level; answers are remembered until a subscription changes."""

    def __init__(self) -> None:
        self._root: _Node[Subscriber] = _Node()
        self._known: dict[str, Matches[Subscriber]] = {}

    def add(self, subscriber: Subscriber, subscription: Subscription) -> None:
        """Add or replace a subscription; its filter must be valid."""
        shared = split_shared(subscription.topic_filter)
        node = self._root
        for level in (shared[1] if shared else subscription.topic_filter).split("/"):
            node = node.children.setdefault(level, _Node())
        if shared:
            group = node.shared.setdefault(shared[0], SharedGroup())
            group.members[subscriber] = subscription
        else:
            node.subscribers[subscriber] = subscription
        self._known.clear()

    def remove(self, subscriber: Subscriber, topic_filter: str) -> None:
        """Remove a subscription, and the branch if nothing else hangs on it."""
        shared = split_shared(topic_filter)
        path = [self._root]
        levels = (shared[1] if shared else topic_filter).split("/")
        for level in levels:
            child = path[-1].children.get(level)
            if child is None:
                return
            path.append(child)
        node = path[-1]
        if shared:
            group = node.shared.get(shared[0])
            if group:
                group.members.pop(subscriber, None)
                if not group.members:
                    del node.shared[shared[0]]
        else:
            node.subscribers.pop(subscriber, None)
        for level, parent, child in reversed(list(zip(levels, path, path[1:], strict=False))):
            if not child.is_empty():
                break
            del parent.children[level]
        self._known.clear()

    def match(self, topic: str) -> Matches[Subscriber]:
        """Return who has subscribed to `topic`."""
        found = self._known.get(topic)
        if found is None:
            if len(self._known) >= _CACHED_TOPICS:
                self._known.clear()
            found = self._collect(self._nodes(topic))
            if len(topic) <= CACHED_CHARACTERS:
                self._known[topic] = found
        return found

    def _nodes(self, topic: str) -> list[_Node[Subscriber]]:
        found: list[_Node[Subscriber]] = []
        nodes = [self._root]
        wildcards = topic[:1] != "$"
        for level in topic.split("/"):
            following = []
            for node in nodes:
                children = node.children
                if wildcards:
                    if "#" in children:
                        found.append(children["#"])
                    if "+" in children:
                        following.append(children["+"])
                if level in children:
                    following.append(children[level])
            nodes = following
            wildcards = True
        for node in nodes:
            found.append(node)
            if "#" in node.children:
                found.append(node.children["#"])
        return found

    @staticmethod
    def _collect(nodes: list[_Node[Subscriber]]) -> Matches[Subscriber]:
        matching: dict[Subscriber, list[Subscription]] = {}
        matches: Matches[Subscriber] = Matches()
        for node in nodes:
            for subscriber, subscription in node.subscribers.items():
                matching.setdefault(subscriber, []).append(subscription)
            matches.shared.extend(node.shared.values())
        matches.direct = [Match(one, found) for one, found in matching.items()]
        return matches
