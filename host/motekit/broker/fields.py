"""Data types of MQTT: integers, UTF-8 strings and binary data (MQTT 3.1.1 and 5, section 1.5)."""

from motekit.broker.errors import MalformedPacket

MAX_VARIABLE_INTEGER = 268_435_455
_NUL = "\0"


def decode_utf8(data: bytes) -> str:
    """Return the text of a UTF-8 string without its length. Raises MalformedPacket."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise MalformedPacket("a string is not valid UTF-8") from error
    if _NUL in text:
        raise MalformedPacket("a string contains U+0000")
    return text


def read_bytes(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """Return length-prefixed binary data and where the next field begins."""
    start = at + 2
    if start > end:
        raise MalformedPacket("a length is cut off")
    stop = start + (data[at] << 8 | data[at + 1])
    if stop > end:
        raise MalformedPacket("a field is longer than its packet")
    return data[start:stop], stop


def read_utf8(data: bytes, at: int, end: int) -> tuple[str, int]:
    """Return a length-prefixed UTF-8 string and where the next field begins."""
    raw, at = read_bytes(data, at, end)
    return decode_utf8(raw), at


def read_integer(data: bytes, at: int, end: int, size: int) -> tuple[int, int]:
    """Return a big-endian integer of `size` bytes and where the next field begins."""
    stop = at + size
    if stop > end:
        raise MalformedPacket("an integer is cut off")
    return int.from_bytes(data[at:stop], "big"), stop


def read_variable_integer(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a variable byte integer in its shortest form and where the next field begins."""
    value = shift = 0
    for place in range(at, min(at + 4, end)):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift:
                raise MalformedPacket("a variable byte integer is longer than necessary")
            return value, place + 1
        shift += 7
    raise MalformedPacket("a variable byte integer does not end")


def write_bytes(data: bytes) -> bytes:
    """Return `data` with its length before it."""
    return len(data).to_bytes(2, "big") + data


def write_utf8(text: str) -> bytes:
    """Return a UTF-8 string with its length before it."""
    return write_bytes(text.encode())


def write_variable_integer(value: int) -> bytes:
    """Return a variable byte integer."""
    if value < 0x80:
        return bytes((value,))
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
