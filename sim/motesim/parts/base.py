"""What every part has in common: quantities that can be turned while the board runs."""

from collections.abc import Callable

Quantity = float | Callable[[], float]


class Part:
    """A part with named quantities; `pin` is None where the default pin of the chip is meant."""

    pin: int | None = None

    def __init__(self, **quantities: Quantity) -> None:
        self._quantities = quantities

    @property
    def names(self) -> list[str]:
        return list(self._quantities)

    def value(self, name: str) -> float:
        """The quantity now."""
        given = self._quantities[name]
        return given() if callable(given) else given

    def set(self, name: str, value: Quantity) -> None:
        """Turn the knob. Raises KeyError for a quantity that the part has not."""
        if name not in self._quantities:
            raise KeyError(name)
        self._quantities[name] = value

    def power_lost(self) -> None:
        """Go back to the state after power-on; a part that keeps nothing has none."""


class I2CPart(Part):
    """A part with registers on an I2C bus (NXP UM10204)."""

    address: int
    sda: int | None = None
    scl: int | None = None

    def write(self, data: bytes) -> None:
        """A write transfer: the first byte is a register's number."""
        raise NotImplementedError

    def read(self, count: int) -> bytes:
        """A read transfer of `count` bytes from where the last write pointed."""
        raise NotImplementedError


def invert(function: Callable[[int], float], wanted: float, top: int, *, rising: bool) -> int:
    """The raw value, 0 to `top`, whose compensated value is nearest `wanted`, by bisection."""
    low, high = 0, top
    while low < high:
        middle = (low + high) // 2
        if (function(middle) < wanted) == rising:
            low = middle + 1
        else:
            high = middle
    return low
