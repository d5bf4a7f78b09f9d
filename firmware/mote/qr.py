"""Draws a QR code on the serial console, so that a phone joins the board's network by its camera.

From ISO/IEC 18004:2015, whose clauses the comments give. Version 3, level L, byte mode and mask 0
are fixed: the data is one block, and 53 bytes hold the WIFI: text of a board's own network.
"""

SIDE = 29  # 6.3.2: 17 modules + 4 a version
CAPACITY = 53  # table 7: bytes in version 3-L
_DATA, _CORRECTION = 55, 15  # table 9: codewords of version 3-L, in one block
_BYTE_MODE = 0b0100  # table 2
_PADDING = b"\xec\x11"  # 7.4.10
_FIELD = 0b100011101  # 7.5.2: arithmetic modulo x^8 + x^4 + x^3 + x^2 + 1
# Annex A for 15 codewords, without the leading x^15.
_GENERATOR = (29, 196, 111, 163, 112, 74, 10, 105, 105, 139, 132, 151, 32, 134, 26)
_FINDERS = ((3, 3), (3, SIDE - 4), (SIDE - 4, 3))  # 6.3.3: their centres, row and column
_ALIGNMENT = SIDE - 7  # table E.1: row and column of its centre, 22 in version 3
_TIMING = 6  # 6.3.5: the row and the column that alternate
_FORMAT = 0b111011111000100  # table C.1: level L (01) and mask 0 (000), masked

_EMPTY = 2  # a module that no pattern and no format information has taken
_QUIET = 2  # 6.3.8 asks for 4; cameras read 2, and it keeps the drawing to 17 short lines
_HALVES = " ▀▄█"  # index: 1 for a light upper half, 2 for a light lower one


def matrix(text):
    """The symbol without its quiet zone: one bytearray a row, 1 is dark."""
    data = text.encode()
    if len(data) > CAPACITY:
        raise ValueError("a QR code of this size holds %d bytes" % CAPACITY)
    rows = [bytearray([_EMPTY] * SIDE) for _ in range(SIDE)]
    _draw_patterns(rows)
    _draw_format(rows)
    codewords = _codewords(data)
    _place(rows, codewords + _correction(codewords) + b"\0")  # 7.6: remainder bits are 0
    return rows


def lines(text):
    """Lines of text for a dark terminal: what is printed is light, what stays blank is dark."""
    rows = matrix(text)
    for top in range(-_QUIET, SIDE + _QUIET, 2):
        yield "".join(
            _HALVES[_light(rows, top, column) + 2 * _light(rows, top + 1, column)]
            for column in range(-_QUIET, SIDE + _QUIET)
        )


def wifi(ssid: str, password: str = "") -> str:
    """The text that makes a phone's camera offer to join a network (ZXing, Barcode Contents)."""
    if password:
        return "WIFI:T:WPA;S:%s;P:%s;;" % (_escaped(ssid), _escaped(password))
    return "WIFI:T:nopass;S:%s;;" % _escaped(ssid)


def _escaped(text):
    # The backslash comes first, or it would escape those that were just put in.
    for special in '\\;,:"':
        text = text.replace(special, "\\" + special)
    return text


def _light(rows, row, column):
    # Light outside; the last line's lower half lies below the quiet zone: more margin only helps.
    return 1 - rows[row][column] if 0 <= row < SIDE and 0 <= column < SIDE else 1


def _codewords(data):
    """7.4.5, 7.4.9, 7.4.10: mode, length, data, terminator and padding."""
    # Four bits of mode shift all that follows by half a byte; the terminator is the last half.
    codewords = bytearray()
    carried = _BYTE_MODE
    for byte in bytes((len(data),)) + data + b"\0":
        codewords.append(carried << 4 | byte >> 4)
        carried = byte & 0xF
    return (codewords + _PADDING * _DATA)[:_DATA]


def _times(a, b):
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= _FIELD
        b >>= 1
    return product


def _correction(codewords):
    """7.5.2: what remains when the data is divided by the generator polynomial."""
    remainder = bytearray(_CORRECTION + 1)  # its last byte stays 0: what moves in from below
    for codeword in codewords:
        factor = codeword ^ remainder[0]
        for i in range(_CORRECTION):
            remainder[i] = remainder[i + 1] ^ _times(_GENERATOR[i], factor)
    return remainder[:_CORRECTION]


def _draw_patterns(rows):
    for i in range(8, SIDE - 8):
        rows[_TIMING][i] = rows[i][_TIMING] = 1 - i % 2
    for row, column in _FINDERS:
        _draw_rings(rows, row, column, 4, (2, 4))  # 6.3.4: the ring outside is the separator
    _draw_rings(rows, _ALIGNMENT, _ALIGNMENT, 2, (1,))  # 6.3.6


def _draw_rings(rows, row, column, radius, light):
    for y in range(max(row - radius, 0), min(row + radius + 1, SIDE)):
        for x in range(max(column - radius, 0), min(column + radius + 1, SIDE)):
            rows[y][x] = int(max(abs(y - row), abs(x - column)) not in light)


def _draw_format(rows):
    """7.9.1: once around the upper left finder, and once shared by the other two."""
    for bit in range(15):
        dark = _FORMAT >> bit & 1
        # The first copy steps over the timing pattern on either side of the corner.
        if bit < 8:
            rows[bit + (bit > 5)][8] = rows[8][SIDE - 1 - bit] = dark
        else:
            rows[8][14 - bit + (bit == 8)] = rows[SIDE - 15 + bit][8] = dark
    rows[SIDE - 8][8] = 1  # the one module that is always dark


def _place(rows, codewords):
    """7.7.3: two columns at a time from the right, upwards and downwards by turns."""
    bit = 0
    for pair in range(SIDE // 2):
        right = SIDE - 1 - 2 * pair
        right -= right <= _TIMING  # the timing column belongs to no pair
        for step in range(SIDE):
            row = step if pair % 2 else SIDE - 1 - step
            for column in (right, right - 1):
                if rows[row][column] == _EMPTY:
                    dark = codewords[bit >> 3] >> (7 - bit % 8) & 1
                    rows[row][column] = dark ^ (row + column + 1) % 2  # 7.8.2: mask 0
                    bit += 1
