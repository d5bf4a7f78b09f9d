"""Print what a command has to say. Nothing that is printed can control the terminal.

Texts come from boards, brokers, files and networks: control characters, escape sequences and marks
that turn the reading direction are shown as escapes (`\\x1b[2J`), and never as Rich markup. Only
this module and `terminal_console` print; `tests/house` checks it.
"""

import codecs
import json
import logging
import math
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text

    from motekit.terminal_console import SafeConsole

# Control characters (C0, C1), line and paragraph separators, bidirectional controls (UAX #9) and
# surrogates, which no encoding can write. A tab is harmless.
_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
# Select Graphic Rendition (ECMA-48, 8.3.117), whole and at its beginning.
_COLOR = "\x1b\\[[0-9;]{0,32}m"
_UNFINISHED = re.compile("\x1b(?:\\[[0-9;]{0,32})?\\Z")
_NOT_OF_SERIAL = re.compile(f"(?P<color>{_COLOR})|(?![\r\n]){_UNSAFE.pattern}")
_NAMED = {"\n": "\\n", "\r": "\\r"}
# What a console without UTF-8 shows instead.
_ASCII = {
    "✓": "+", "✗": "x", "→": "->", "…": "...", "–": "-", "—": "-", "·": "-", "°": "deg ",
    "µ": "u", "²": "2", "³": "3", "≥": ">=", "≤": "<=", "×": "x", "‘": "'", "’": "'", "“": '"',
    "”": '"', "\N{REPLACEMENT CHARACTER}": "?",
}  # fmt: skip
_FALLBACK = "mote-ascii"
_json_printed = False


def safe(text: str) -> str:
    """Return `text` on one line, with everything a terminal would act on as a visible escape."""
    return _UNSAFE.sub(_escaped, text)


def echo(*lines: str, err: bool = False) -> None:
    """Print each of `lines` on a line of its own, to standard error with `err`."""
    for line in lines:
        _write(safe(line), err=err)


def echo_address(label: str, address: str, after: str = "", *, err: bool = False) -> None:
    """Print an address to go to, bold on a terminal, behind `label`."""
    bold = _ansi("1", safe(address), err=err)
    _write(safe(label) + bold + safe(after), err=err)


def shows(text: str) -> bool:
    """Return whether the encoding of standard output has all of `text`."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def echo_drawing(text: str) -> None:
    """Print a drawing of ours, whose escape sequences are meant, such as a QR code."""
    sys.stdout.write(text)
    sys.stdout.flush()


def echo_error(text: str, *, color: bool) -> None:
    """Print an error, in red with `color` on a terminal."""
    _write(_ansi("31", safe(text), err=True) if color else safe(text), err=True)


def print_json(value: Any, indent: int | None = None) -> None:
    """Print `value` as JSON that every parser reads: ASCII only, numbers that are not finite null.

    Surrogates that stand alone are U+FFFD (RFC 8259, section 8.2).
    """
    global _json_printed
    _json_printed = True
    _write(json.dumps(_standard(value), indent=indent, allow_nan=False))


def json_was_printed() -> bool:
    """Return whether this process has printed JSON already."""
    return _json_printed


def print_json_for_people(value: Any) -> None:
    """Print the same with letters of every script as they are, for reading."""
    text = json.dumps(_standard(value), indent=1, allow_nan=False, ensure_ascii=False)
    echo(*text.split("\n"))


def console(*, stderr: bool = False, width: int | None = None) -> "SafeConsole":
    """Return a Rich console for tables and progress, with the same guarantees as `echo`."""
    from motekit.terminal_console import SafeConsole

    return SafeConsole(stderr=stderr, width=width)


def styled(text: str, style: str = "") -> "Text":
    """Return `text` for a console, safe and in a Rich style."""
    from rich.text import Text

    return Text(safe(text), style)


def mark(good: bool) -> "Text":
    """Return a green tick, or a red cross."""
    return styled("✓", "green") if good else styled("✗", "red")


def prepare() -> None:
    """Let standard output and standard error show any text, whatever their encoding."""
    codecs.register_error(_FALLBACK, _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        # A stream that somebody put in its place may not have it.
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors=_FALLBACK)


class LogFormatter(logging.Formatter):
    """Formats log records: a message stays on its line, a traceback keeps its lines."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(safe, super().format(record).split("\n")))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return safe(super().formatMessage(record))


class SerialFilter:
    """Passes on what a board writes: text, line ends and colors (SGR); the rest as escapes."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def pass_on(self, data: bytes) -> bytes:
        """Return what may be shown of `data`; an unfinished sequence waits for what follows."""
        text = self._rest + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text)
        self._rest = unfinished[0] if unfinished else ""
        text = text[: len(text) - len(self._rest)]
        return _NOT_OF_SERIAL.sub(lambda m: m["color"] or _escaped(m), text).encode()


def _write(line: str, *, err: bool = False) -> None:
    # Not with click, which writes UTF-8 to a console that has only ASCII.
    stream = sys.stderr if err else sys.stdout
    stream.write(line + "\n")
    stream.flush()


def _ansi(style: str, text: str, *, err: bool) -> str:
    """Return `text` in a style (SGR) where the stream is a terminal."""
    stream = sys.stderr if err else sys.stdout
    return f"\x1b[{style}m{text}\x1b[0m" if stream.isatty() else text


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    number = ord(character)
    return _NAMED.get(character) or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}")


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(_ASCII.get(character, "?") for character in wrong), error.end


def _standard(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        # Two halves are put together, a half alone is replaced.
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_standard(key): _standard(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_standard(one) for one in value]
    return value
