"""Whether bytes are UTF-8, which MicroPython's own decoder does not check to the end."""


def is_text(value: str) -> bool:
    """Return whether `value` can be stored: UTF-8 can write it, and it has no NUL."""
    try:
        data = value.encode()
    except UnicodeError:
        return False
    return b"\0" not in data and is_valid(data)


def is_valid(data: bytes) -> bool:
    """Return whether `data` is well-formed UTF-8 (Unicode 15, table 3-7)."""
    more, low, high = 0, 0x80, 0xBF
    for c in data:
        if more:
            if not low <= c <= high:
                return False
            more, low, high = more - 1, 0x80, 0xBF
        elif c >= 0x80:
            if not 0xC2 <= c <= 0xF4:
                return False
            more = 1 if c < 0xE0 else 2 if c < 0xF0 else 3
            if c in b"\xe0\xf0":
                low = 0xA0 if c == 0xE0 else 0x90
            elif c in b"\xed\xf4":
                high = 0x9F if c == 0xED else 0x8F
    return not more
