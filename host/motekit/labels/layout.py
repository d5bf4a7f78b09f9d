"""What is where on a label, in millimetres from its upper left corner."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import segno
from mote import contract, qr

# The common sheet of 24 labels on A4, without gaps: 3 columns, 8 rows.
WIDTH, HEIGHT = 70.0, 37.0
COLUMNS, ROWS = 3, 8
SHEET = (210.0, 297.0)
_MARGIN = 4.0
_CODE = 22.0
# Between two codes, and so the captions below them.
_BETWEEN = 12.0
_CODES_Y = 10.0
_CAPTION_Y = 35.5
# The widest letter, as a part of the size of its font.
_WIDEST = 1.0


@dataclass(frozen=True)
class Label:
    """One board. `dashboard` is an address, empty for a label without its code."""

    id: str
    mac: str
    setup_password: str = field(repr=False)
    dashboard: str = ""

    @property
    def network(self) -> str:
        return contract.AP_PREFIX + self.mac


@dataclass(frozen=True)
class Dark:
    """A black rectangle."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Text:
    """A line of text; `y` is its base line, `size` the height of its font."""

    x: float
    y: float
    size: float
    text: str
    bold: bool = False


def drawn(label: Label, x: float = 0, y: float = 0) -> Iterator[Dark | Text]:
    """The marks of a label whose upper left corner is at `x`, `y`."""
    size = min(4.5, (WIDTH - 2 * _MARGIN) / len(label.id) / _WIDEST)
    yield Text(x + _MARGIN, y + 6, size, label.id, bold=True)
    codes = [(qr.wifi(label.network, label.setup_password), _shown(label))]
    if label.dashboard:
        codes.append((label.dashboard, "Dashboard (after setup)"))
    for number, (content, caption) in enumerate(codes):
        left = x + _MARGIN + number * (_CODE + _BETWEEN)
        yield from _code(content, left, y + _CODES_Y)
        yield Text(left, y + _CAPTION_Y, 2.0, caption)


def places(count: int) -> Iterator[tuple[int, float, float]]:
    """Page and corner of each of `count` labels on sheets."""
    top = (SHEET[1] - ROWS * HEIGHT) / 2
    for number in range(count):
        page, place = divmod(number, COLUMNS * ROWS)
        row, column = divmod(place, COLUMNS)
        yield page, column * WIDTH, top + row * HEIGHT


def _shown(label: Label) -> str:
    """For whose camera is broken: the network and, where fonts have its letters, the password."""
    secret = label.setup_password
    return f"WiFi {label.network}  {secret}" if secret.isascii() else f"WiFi {label.network}"


def _code(content: str, left: float, top: float) -> Iterator[Dark]:
    """The dark modules, those beside each other in one piece, so that no hair-line is between."""
    matrix = segno.make_qr(content, error="m").matrix
    side = _CODE / len(matrix)
    for number, row in enumerate(matrix):
        start = None
        for column, dark in enumerate([*row, 0]):
            if dark and start is None:
                start = column
            elif not dark and start is not None:
                width = (column - start) * side
                yield Dark(left + start * side, top + number * side, width, side)
                start = None
