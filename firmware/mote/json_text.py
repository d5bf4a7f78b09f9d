"""Parse JSON (RFC 8259) strictly: board and host take and refuse exactly the same text.

MicroPython's json takes text that is no JSON, keeps the last of two equal names, and leaves the two
halves of an escaped emoji apart; CPython's takes NaN and halves that stand alone. This module runs
unchanged on both. It refuses all of these, puts the halves together, and skips a byte-order mark.
"""

from mote import utf8

MAX_BYTES = 12_288
MAX_DEPTH = 16
# No number that a person writes has more characters.
_NUMBER_MAX = 40
# The largest number of a board (IEEE 754, single precision).
_LARGEST = 3.4e38
_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_BLANK = b" \t\r\n"
# Text is searched in copies of so many bytes: a view has no `find`.
_PIECE = 128
_IN_NUMBER = b"0123456789+-.eE"
_DIGITS = b"0123456789"
_CONTROL = "text has a line end or another control character: write \\n"
_WORDS = ((b"true", True), (b"false", False), (b"null", None))
_ESCAPED = {
    34: b'"', 92: b"\\", 47: b"/", 98: b"\b", 102: b"\f", 110: b"\n", 114: b"\r", 116: b"\t",
}  # fmt: skip


class JsonError(ValueError):
    """The text is refused: `line` counts from 1, `reason` never repeats a value."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__("line %d: %s" % (line, reason))
        self.line = line
        self.reason = reason


def parse(data: bytes, max_bytes: int = MAX_BYTES) -> object:
    """Return the value of JSON text in `data`, bytes of UTF-8. Raises JsonError, MemoryError."""
    if len(data) > max_bytes:
        raise JsonError(1, "is larger than %d bytes" % max_bytes)
    return _document(_Reader(memoryview(data.encode() if isinstance(data, str) else data)))


def parse_in_place(data: memoryview) -> object:
    """As `parse`, and the content of `data`, a view of a bytearray, is lost.

    A text that has escapes is put together there: a certificate is in the heap once beside `data`.
    """
    return _document(_Reader(data, in_place=True))


def _document(reader):
    start = bytes(reader.data[:3])
    if start[:2] in _UTF16_BOMS:
        raise JsonError(1, "is UTF-16, not UTF-8: save it as UTF-8")
    if start == _BOM:
        reader.skip(3)
    try:
        return reader.document()
    except IndexError:
        raise reader.error("ends too early") from None


class _Reader:
    """A place in JSON text. An IndexError of its methods says that the text ends there."""

    def __init__(self, data, in_place=False):
        self.data = data
        self._in_place = in_place
        self._at = 0
        self._line = 1

    def error(self, reason):
        return JsonError(self._line, reason)

    def skip(self, count):
        """Go on behind `count` bytes."""
        self._at += count

    def document(self):
        """The one value that the text is. Without recursion: the stack of a board is small."""
        # Containers that are open, and the name that the next value gets in each.
        above = []
        while True:
            c = self._next()
            if c in b"{[":
                if len(above) == MAX_DEPTH:
                    raise self.error("is nested more than %d deep" % MAX_DEPTH)
                self._at += 1
                value = {} if c == 123 else []
                if self._next() != c + 2:
                    above.append([value, self._name(value) if c == 123 else None])
                    continue
                self._at += 1
            else:
                value = self._scalar(c)
            while above:
                inside, name = above[-1]
                if name is None:
                    inside.append(value)
                else:
                    inside[name] = value
                c = self._next()
                self._at += 1
                if c == 44:
                    if name is not None:
                        above[-1][1] = self._name(inside)
                    break
                if c != (93 if name is None else 125):
                    raise self.error("a comma or the end of the list or object is expected")
                value = above.pop()[0]
            else:
                if self._skip_blanks():
                    raise self.error("something follows after the end")
                return value

    def _skip_blanks(self):
        """Go to the next character that is no blank; False at the end of the text."""
        data, at, size = self.data, self._at, len(self.data)
        while at < size and data[at] in _BLANK:
            # No text has a line end in it.
            self._line += data[at] == 10
            at += 1
        self._at = at
        return at < size

    def _next(self):
        self._skip_blanks()
        return self.data[self._at]

    def _name(self, inside):
        if self._next() != 34:
            raise self.error("a name in double quotes is expected")
        name = self._string()
        if name in inside:
            raise self.error("'%s' is there twice" % name)
        if self._next() != 58:
            raise self.error("a colon is expected")
        self._at += 1
        return name

    def _scalar(self, c):
        if c == 34:
            return self._string()
        if c == 45 or c in _DIGITS:
            return self._number()
        for word, value in _WORDS:
            if self.data[self._at : self._at + len(word)] == word:
                self._at += len(word)
                return value
        raise self.error("a value is expected: text in double quotes, a number, true, false, null")

    def _number(self):
        data, begin, at = self.data, self._at, self._at
        while at < len(data) and data[at] in _IN_NUMBER:
            at += 1
        text = str(data[begin:at], "ascii")
        self._at = at
        if not _is_number(text) or len(text) > _NUMBER_MAX:
            raise self.error("a number is expected, such as 10 or 2.5")
        if text.lstrip("-").isdigit():
            return int(text)
        value = float(text)
        if not -_LARGEST <= value <= _LARGEST:
            raise self.error("a number is too large")
        return value

    def _string(self):
        """Mostly by what is compiled in the runtime: a certificate is one long text.

        It is in the heap once beside the data, in one piece of the right size.
        """
        data, start = self.data, self._at + 1
        end, escaped = self._end_of_string(start)
        text = data[start:end]
        if escaped:
            text = self._unescaped(start, end)
        elif text and min(text) < 32:
            self._at = start
            raise self.error(_CONTROL)
        self._at = end + 1
        if text and max(text) > 127 and not utf8.is_valid(text):
            raise self.error("text is not UTF-8: save it as UTF-8")
        return str(text, "utf-8")

    def _end_of_string(self, at):
        """The place of the closing quote, and whether there is a backslash before it."""
        escaped = False
        while True:
            end = self._find(b'"', at, len(self.data))
            if end < 0:
                raise IndexError
            slash = self._find(b"\\", at, end)
            if slash < 0:
                return end, escaped
            at, escaped = slash + 2, True

    def _find(self, character, at, end):
        """The first place of a character, -1 where it is not."""
        while at < end:
            found = bytes(self.data[at : min(at + _PIECE, end)]).find(character)
            if found >= 0:
                return at + found
            at += _PIECE
        return -1

    def _unescaped(self, at, end):
        # What stands for a character is never shorter than its UTF-8.
        text = self.data[at:end] if self._in_place else memoryview(bytearray(end - at))
        size = 0
        while at < end:
            slash = self._find(b"\\", at, end)
            piece = self.data[at : end if slash < 0 else slash]
            if piece and min(piece) < 32:
                self._at = at
                raise self.error(_CONTROL)
            text[size : size + len(piece)] = piece
            size += len(piece)
            if slash < 0:
                break
            self._at = slash + 1
            character = self._escape()
            text[size : size + len(character)] = character
            size += len(character)
            at = self._at
        return text[:size]

    def _escape(self):
        """What stands behind a backslash, as UTF-8."""
        c = self.data[self._at]
        self._at += 1
        if c in _ESCAPED:
            return _ESCAPED[c]
        if c != 117:
            raise self.error("text has a backslash: write \\\\")
        number = self._hex()
        if 0xD800 <= number < 0xDC00 and self.data[self._at : self._at + 2] == b"\\u":
            self._at += 2
            low = self._hex()
            if 0xDC00 <= low < 0xE000:
                number = 0x10000 + ((number - 0xD800) << 10) + low - 0xDC00
        if 0xD800 <= number < 0xE000:
            raise self.error("text has half of a character (a surrogate that stands alone)")
        return chr(number).encode()

    def _hex(self):
        digits = self.data[self._at : self._at + 4]
        for c in digits:
            if c not in b"0123456789abcdefABCDEF":
                digits = b""
        if len(digits) < 4:
            raise self.error("four hex digits are expected after \\u")
        self._at += 4
        return int(str(digits, "ascii"), 16)


def _is_number(text):
    """RFC 8259, section 6: no leading zero, no digit missing."""
    text = text[1:] if text.startswith("-") else text
    for mark in "eE":
        if mark in text:
            text, _, exponent = text.partition(mark)
            if not (exponent[1:] if exponent[:1] in ("+", "-") else exponent).isdigit():
                return False
    whole, point, fraction = text.partition(".")
    if point and not fraction.isdigit():
        return False
    return whole.isdigit() and (whole == "0" or not whole.startswith("0"))
