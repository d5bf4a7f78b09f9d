"""Connections whose client has not been verified yet, in the order in which they were opened."""

from typing import Generic, TypeVar

Item = TypeVar("Item")


class Pending(Generic[Item]):
    """Items by address; the oldest of all, or of one address, is found at once."""

    def __init__(self) -> None:
        self._all: dict[Item, str] = {}
        self._by_address: dict[str, dict[Item, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, item: Item, address: str) -> None:
        self._all[item] = address
        self._by_address.setdefault(address, {})[item] = None

    def discard(self, item: Item) -> None:
        """Remove an item if it is there."""
        address = self._all.pop(item, None)
        if address is None:
            return
        of_address = self._by_address[address]
        del of_address[item]
        if not of_address:
            del self._by_address[address]

    def count(self, address: str) -> int:
        """Return how many items an address has."""
        return len(self._by_address.get(address, ()))

    def oldest(self, address: str | None = None) -> Item:
        """Return the oldest item, of `address` if that is given. Raises StopIteration."""
        return next(iter(self._all if address is None else self._by_address.get(address, ())))
